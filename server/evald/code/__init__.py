"""Programs that models write: what they are asked, and where they run."""
