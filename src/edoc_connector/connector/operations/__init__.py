"""What an operator does: settle, explain, keep the store in order, hand out evidence."""
