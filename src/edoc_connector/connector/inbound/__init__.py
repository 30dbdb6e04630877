"""What comes in: packets from the hub's list to a handled receipt."""
