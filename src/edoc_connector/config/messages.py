"""Texts of the errors that a configuration can have, in English and Vietnamese."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tomllib import TOMLDecodeError

from .._core import Text
from ..errors import ConfigError, describe_system_error, describe_system_error_vi

REFERENCE_HINT = Text(
    "write env:NAME, file:PATH or cmd:PROGRAM ARGUMENTS instead of the secret itself",
    "hãy ghi env:TÊN_BIẾN, file:ĐƯỜNG_DẪN hoặc cmd:CHƯƠNG_TRÌNH THAM_SỐ thay cho chính mã bí mật",
)

EMPTY_SECRET = Text("it is empty", "giá trị rỗng")
VARIABLE_NOT_SET = Text("the variable is not set", "biến môi trường chưa được đặt")
NO_SECRET_SOURCE = Text(
    "nobody gives secrets by name here: give Settings.of(…, secrets=…) a function",
    "ở đây không có nguồn cung cấp mã bí mật theo tên: hãy truyền hàm cho Settings.of(…, secrets=…)",
)
UNKNOWN_SECRET = Text("the function for secrets knows no such name", "hàm cung cấp mã bí mật không biết tên này")
SECRET_NOT_UTF8 = Text("it is not UTF-8 text", "tệp không phải văn bản UTF-8")
OUTPUT_NOT_UTF8 = Text("it did not print UTF-8 text", "kết quả không phải văn bản UTF-8")
FILE_NOT_UTF8 = Text("it is not UTF-8 text. Save it as UTF-8.", "tệp không phải văn bản UTF-8. Hãy lưu lại dạng UTF-8.")
ARCHIVE_PATTERN = Text(
    "it is a relative path of {year}, {month}, {day}, {department} and {key}, with {key} in its last part, such as "
    "{year}/{month}/{key}",
    "phải là đường dẫn tương đối gồm {year}, {month}, {day}, {department} và {key}; phần cuối phải có {key}, ví dụ "
    "{year}/{month}/{key}",
)
DRAFTS_WITHOUT_KEY = Text(
    "drafts lie elsewhere only where packets are encrypted: set spool_key too, or leave drafts out",
    "chỉ đặt drafts ở nơi khác khi gói tin được mã hóa: hãy đặt thêm spool_key hoặc bỏ drafts",
)
KEY_BESIDE_KEYS = Text("keys: give either key or keys, not both", "keys: chỉ dùng key hoặc keys, không dùng cả hai")
PASSWORD_IN_STORE_URL = Text(
    f"url: it holds a password; leave it out and set password: {REFERENCE_HINT.en}",
    f"url: có chứa mật khẩu; hãy bỏ mật khẩu khỏi URL và đặt password: {REFERENCE_HINT.vi}",
)

_MISSING_VI = "thiếu mục bắt buộc này"
_UNKNOWN_VI = "không có mục nào tên như vậy"
_DETAILS_VI: Mapping[str, str] = {
    "greater_than": "phải lớn hơn {gt}",
    "greater_than_equal": "phải từ {ge} trở lên",
    "less_than": "phải nhỏ hơn {lt}",
    "less_than_equal": "không được lớn hơn {le}",
    "enum": "phải là một trong {expected}",
    "literal_error": "phải là một trong {expected}",
    "string_type": "phải là chuỗi ký tự trong dấu nháy",
    "tuple_type": "phải là danh sách: […]",
    "model_type": "phải là một mục có các giá trị bên trong",
    "model_attributes_type": "phải là một mục có các giá trị bên trong",
    "path_type": "phải là đường dẫn trong dấu nháy",
    "string_too_short": "không được để trống",
    "bool_parsing": "phải là true hoặc false",
    "bool_type": "phải là true hoặc false",
    "int_type": "phải là số nguyên",
    "float_type": "phải là số",
    "int_parsing": "phải là số nguyên",
    "float_parsing": "phải là số",
}
"""The findings of pydantic in Vietnamese, by their types; its own English texts hold no values."""


CODE_WITH_SPACES = Text(
    "a code has no spaces, line ends or invisible letters: write it as the hub's directory does, as in H29.05",
    "mã định danh không có dấu cách, xuống dòng hoặc ký tự ẩn: hãy ghi đúng như danh bạ của trục, ví dụ H29.05",
)

TWO_PERIODS = Text(
    "a kind of document has two periods: letter case and spaces make no other kind; leave one of them",
    "một loại văn bản có hai thời hạn: chữ hoa, chữ thường và dấu cách không tạo loại khác; hãy giữ lại một dòng",
)


class UnusableSetting(ValueError):
    """A setting that cannot be used; pydantic reports it, and `vi` beside its text.

    Args:
        text: what is wrong and what to do.
    """

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.vi = text.vi


def describe_password_in_url(setting: str, secret_setting: str) -> Text:
    """Describe a URL that holds a password.

    Args:
        setting: name of the setting that holds the URL.
        secret_setting: name of the setting that takes the password's reference.
    """
    return Text(
        f"{setting}: the URL holds a password; leave it out and set {secret_setting}: {REFERENCE_HINT.en}",
        f"{setting}: URL có chứa mật khẩu; hãy bỏ mật khẩu khỏi URL và đặt {secret_setting}: {REFERENCE_HINT.vi}",
    )


def describe_several_active(names: Iterable[str]) -> Text:
    """Describe several hubs that would send.

    Args:
        names: their names.
    """
    listed = ", ".join(names)
    return Text(
        f'hubs: only one of {listed} can send: write role = "drain" in the others',
        f'hubs: trong {listed} chỉ một trục được gửi: ghi role = "drain" ở các trục còn lại',
    )


def describe_unknown_hub(name: str, known: Iterable[str]) -> Text:
    """Describe a hub that no section is about.

    Args:
        name: its name.
        known: the names that there are.
    """
    listed = ", ".join(known)
    return Text(
        f"there is no hub {name} in the settings: known are {listed}. Put its section [hubs.{name}] back.",
        f"Không có trục {name} trong cấu hình: chỉ có {listed}. Hãy ghi lại mục [hubs.{name}].",
    )


def describe_unknown_dialect(known: Iterable[str]) -> Text:
    """Describe a dialect that nobody knows.

    Args:
        known: names of the dialects that there are.
    """
    names = ", ".join(sorted(known))
    return Text(
        f"dialect: there is none of that name; known are {names}",
        f"dialect: không có giao thức tên này; hiện có: {names}",
    )


def describe_unknown_authenticator(known: Iterable[str]) -> Text:
    """Describe a kind of authentication that nobody knows.

    Args:
        known: names of those that there are.
    """
    names = ", ".join(sorted(known))
    return Text(
        f"kind: there is no such authentication; known are {names}",
        f"kind: không có kiểu xác thực này; hiện có: {names}",
    )


def describe_missing(setting: str) -> Text:
    """Describe a setting that is missing."""
    return Text(f"{setting} is missing", f"{setting}: {_MISSING_VI}")


def describe_unknown(setting: str, similar: str | None) -> Text:
    """Describe a setting that does not exist, with the one that was perhaps meant."""
    hint, hint_vi = (f" (did you mean {similar}?)", f" (có phải {similar}?)") if similar else ("", "")
    return Text(f"{setting}: there is no such setting{hint}", f"{setting}: {_UNKNOWN_VI}{hint_vi}")


def describe_open_secret(setting: str) -> Text:
    """Describe a secret that stands in the configuration itself."""
    return Text(
        f"{setting}: a secret may not stand in the configuration; {REFERENCE_HINT.en}",
        f"{setting}: {REFERENCE_HINT.vi}",
    )


def translate_detail(kind: str, context: Mapping[str, object]) -> str:
    """Translate a finding of pydantic into Vietnamese.

    Args:
        kind: its type.
        context: the limits and names that are allowed.
    """
    words = _DETAILS_VI.get(kind, "giá trị không hợp lệ").format_map(context)
    return words.replace(" or ", " hoặc ")


def describe_program_failure(error: Exception) -> Text:
    """Describe a program that did not run, by the kind of its error alone."""
    return Text(f"the program did not run ({type(error).__name__})", "không chạy được chương trình")


def describe_exit_code(code: int) -> Text:
    """Describe a program that failed. Its output, which may be half of a secret, is not repeated."""
    return Text(f"the program ended with code {code}", f"mã kết thúc {code}")


def build_invalid_error(problems: Iterable[Text]) -> ConfigError:
    """Build the error that lists every wrong setting."""
    found = list(problems)
    return ConfigError(
        "the configuration is not right: " + "; ".join(text.en for text in found) + ". Correct it and start again.",
        vi="Cấu hình chưa đúng: " + "; ".join(text.vi for text in found) + ". Hãy sửa rồi chạy lại.",
    )


def build_unresolved_error(reference: object, reason: Text) -> ConfigError:
    """Build the error for a secret that is not where its reference points."""
    return ConfigError(
        f"the secret at {reference} cannot be had: {reason.en}. "
        "Put it there, or correct the reference in the configuration.",
        vi=f"Không lấy được mã bí mật tại {reference}: {reason.vi}. "
        "Hãy đặt giá trị vào đó hoặc sửa tham chiếu trong cấu hình.",
    )


def build_unreadable_error(path: Path, reason: Text) -> ConfigError:
    """Build the error for a configuration that cannot be read."""
    return ConfigError(
        f"the configuration {path} cannot be read: {reason.en}", vi=f"Không đọc được cấu hình {path}: {reason.vi}"
    )


def describe_unreadable_file(error: OSError) -> Text:
    """Describe a configuration that the system does not give."""
    return Text(
        f"{describe_system_error(error)}. Give the path of an edoc.toml, or make one with edoc init.",
        f"{describe_system_error_vi(error)}. Hãy chỉ đường dẫn tới tệp edoc.toml, hoặc tạo tệp bằng edoc init.",
    )


def describe_toml_error(error: TOMLDecodeError) -> Text:
    """Describe a file that is not TOML. The parser's words name line and column; they repeat no value."""
    return Text(
        f"it is not TOML: {error}. Correct it there.",
        f"tệp không đúng định dạng TOML: {error}. Hãy sửa tại vị trí đó.",
    )


def build_agencies_form_error() -> ConfigError:
    """Build the error for an ``agencies`` that holds no sections."""
    return ConfigError(
        "agencies: write [agencies.NAME.SECTION], as in [agencies.first.agency].",
        vi="agencies: hãy ghi [agencies.TÊN.MỤC], ví dụ [agencies.first.agency].",
    )


def build_choice_error(path: Path, known: Iterable[str], agency: str | None) -> ConfigError:
    """Build the error for a file of several agencies of which none, or not just one, was chosen.

    Args:
        path: the file.
        known: its agencies.
        agency: the one that was asked for, where one was.
    """
    names = ", ".join(known)
    if agency is None:
        return ConfigError(
            f"{path} has several agencies: {names}. Choose one of them: --agency ID.",
            vi=f"{path} có nhiều đơn vị: {names}. Hãy chọn một đơn vị: --agency MÃ.",
        )
    return ConfigError(
        f"{path} has no agency {agency}, or more than one of that name; it has {names}: choose one of "
        "them, or write a further agency as [agencies.NAME.agency] and [agencies.NAME.hub], and each other one so too.",
        vi=f"{path} không có đơn vị {agency}, hoặc có nhiều đơn vị trùng tên; các đơn vị: {names}. Hãy chọn một "
        "đơn vị, hoặc khai báo thêm đơn vị bằng [agencies.TÊN.agency] và [agencies.TÊN.hub]; khi đó mọi đơn vị khác "
        "cũng khai báo như vậy.",
    )


def build_agency_beside_error(code: str, known: Iterable[str]) -> ConfigError:
    """Build the error for an ``[agency] id`` beside ``[agencies]`` of which none has it.

    Args:
        code: the id.
        known: the names of its ``[agencies]``.
    """
    return ConfigError(
        f"[agency] id is {code}, but where there is [agencies.NAME] ({', '.join(known)}) each agency stands in "
        "one: write that one as [agencies.NAME.agency] too, or take its id out of [agency].",
        vi=f"[agency] id là {code}, nhưng khi đã có [agencies.TÊN] ({', '.join(known)}) thì mọi đơn vị đều "
        "phải khai báo ở đó: hãy khai báo cả đơn vị này bằng [agencies.TÊN.agency], hoặc bỏ id khỏi [agency].",
    )


def build_environments_form_error() -> ConfigError:
    """Build the error for an ``env`` that holds no sections."""
    return ConfigError(
        "env: write [env.NAME.SECTION], as in [env.test.hub].",
        vi="env: hãy ghi [env.TÊN.MỤC], ví dụ [env.test.hub].",
    )


def build_environment_choice_error(path: Path, known: Iterable[str], wanted: str) -> ConfigError:
    """Build the error for a file of several environments of which none was named, or one that it does not have.

    Args:
        path: the file.
        known: its environments.
        wanted: the one that was named; empty for none.
    """
    names = ", ".join(known)
    if wanted and not names:
        return ConfigError(
            f"{path} has no environments, so there is none called {wanted}. Leave --env and EDOC_ENV out, or write "
            f"[env.{wanted}] tables.",
            vi=f"{path} không chia môi trường nên không có môi trường {wanted}. Hãy bỏ --env và EDOC_ENV, hoặc ghi các "
            f"bảng [env.{wanted}].",
        )
    if wanted:
        return ConfigError(
            f"{path} has no environment {wanted}; it has {names}: choose one of them with --env NAME or EDOC_ENV.",
            vi=f"{path} không có môi trường {wanted}; các môi trường: {names}. Hãy chọn bằng --env TÊN hoặc EDOC_ENV.",
        )
    return ConfigError(
        f"{path} has the environments {names}. Choose one: --env NAME, or EDOC_ENV=NAME for a whole shell or service.",
        vi=f"{path} có các môi trường: {names}. Hãy chọn một: --env TÊN, hoặc đặt EDOC_ENV=TÊN cho cả phiên làm việc "
        "hay dịch vụ.",
    )


def build_shared_credential_error(setting: str, name: str, other: str) -> ConfigError:
    """Build the error for a secret that two environments share.

    Args:
        setting: the setting whose secret it is.
        name: the environment that was chosen.
        other: the other one.
    """
    return ConfigError(
        f"{setting} has the same secret in [env.{name}] as one of [env.{other}]: a credential belongs to one "
        f"environment. Ask the hub's operator for the one of {name}, and put it into a file or variable of its own.",
        vi=f"{setting} của [env.{name}] trùng mã bí mật với [env.{other}]: mỗi môi trường phải dùng mã bí mật riêng. "
        f"Hãy xin đơn vị vận hành trục mã của môi trường {name} và đặt vào tệp hoặc biến riêng.",
    )


def build_shared_store_error(setting: str, name: str, other: str) -> ConfigError:
    """Build the error for a store that two environments share; the arguments are those of the credential's error."""
    return ConfigError(
        f"{setting} is the same in [env.{name}] and [env.{other}]: what was sent for a test would stand in the "
        f"registers of the other. Write [env.{name}.store] with a url and a spool of its own.",
        vi=f"{setting} giống nhau ở [env.{name}] và [env.{other}]: văn bản gửi thử sẽ lẫn vào sổ văn bản của môi "
        f"trường kia. Hãy ghi [env.{name}.store] với url và spool riêng.",
    )


def build_misspelt_variable_error(name: str, intended: str) -> ConfigError:
    """Build the error for a variable of the environment that overrides nothing."""
    return ConfigError(
        f"{name} in the environment overrides nothing: there is no section of that name. Is {intended} meant?",
        vi=f"Biến môi trường {name} không thay giá trị nào: không có mục tên như vậy. Có phải {intended} không?",
    )


def describe_open_file(path: Path) -> Text:
    """Describe a file with a secret or a key that other users can read."""
    return Text(
        f"{path} holds a secret and can be read by other users of this machine: chmod 600 it",
        f"{path} chứa mã bí mật mà người dùng khác trên máy đọc được: hãy chạy chmod 600 cho tệp này",
    )


# -- warnings

POLICY_ANY = Text(
    "[receive] policy is any: unsigned and badly signed packets come in; set valid or trusted",
    "[receive] policy là any: gói tin không ký hoặc chữ ký sai vẫn được nhận; hãy đặt valid hoặc trusted",
)

UNBOUND_SIGNERS = Text(
    "[receive] policy is trusted: packets whose signer's certificate nothing binds to the sender's code are "
    "refused (SIG-UNBOUND). List the senders' certificates under organisations; set organisations_others to "
    '"refuse" to say so yourself, or to "report" to let such packets in as before (docs/trust.md)',
    "[receive] policy là trusted: gói tin mà chứng thư số người ký không gắn với mã nơi gửi bị từ chối (SIG-UNBOUND). "
    'Hãy khai báo chứng thư số của nơi gửi trong organisations; đặt organisations_others là "refuse" để xác nhận, '
    'hoặc "report" để vẫn nhận như trước (docs/trust.vi.md)',
)


def describe_open_connection(host: str) -> Text:
    """Describe the danger of a hub without TLS."""
    return Text(
        f"{host} is reached without TLS: anybody on the way can read the documents; use https",
        f"kết nối tới {host} không có TLS: bất kỳ ai trên đường truyền đều đọc được văn bản; hãy dùng https",
    )


def describe_unmet(profile: str, unmet: Iterable[tuple[str, str, Text]]) -> Text:
    """Describe what a profile asks for and the settings do not have.

    Args:
        profile: its name.
        unmet: setting, what it must be, and what that is good for.
    """
    listed = tuple(unmet)
    en = "; ".join(f"{setting} must be {wanted} ({why.en})" for setting, wanted, why in listed)
    vi = "; ".join(f"{setting} phải là {wanted} ({why.vi})" for setting, wanted, why in listed)
    return Text(
        f'profile = "{profile}" asks for more than these settings: {en}. Correct them, or leave the profile out.',
        f'profile = "{profile}" yêu cầu cao hơn cấu hình này: {vi}. Hãy sửa các mục đó hoặc bỏ profile.',
    )


def describe_shortfall(host: str, unmet: Iterable[tuple[str, str, Text]]) -> Text:
    """Describe what a production hub is used without; the arguments are those of `describe_unmet`."""
    listed = tuple(unmet)
    en = "; ".join(f"{setting} is not {wanted}" for setting, wanted, _ in listed)
    vi = "; ".join(f"{setting} chưa là {wanted}" for setting, wanted, _ in listed)
    return Text(
        f'{host} is taken for a production hub, and less than profile = "production" is set: {en}',
        f'{host} được coi là trục chính thức, nhưng cấu hình thấp hơn profile = "production": {vi}',
    )
