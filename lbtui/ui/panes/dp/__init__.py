"""The DP pane: lanes of batch size, KV cache, tokens and times per DP domain."""
