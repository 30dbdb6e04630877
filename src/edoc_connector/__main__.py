"""``python -m edoc_connector`` is the command ``edoc``."""

from .cli import main

if __name__ == "__main__":
    main()
