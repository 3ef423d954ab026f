"""How palettes come in: files read row by row, checked at the door, written once however they are spelt."""
