"""Many runs side by side: each summarised once, all judged together, over time and by what was tuned."""
