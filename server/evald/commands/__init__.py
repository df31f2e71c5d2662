"""The commands of `evald`, one file each, and what they print."""
