"""The Berkeley Function-Calling Leaderboard: its questions, how they are asked, which answers are
right."""
