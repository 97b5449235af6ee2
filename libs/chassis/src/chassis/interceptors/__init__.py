"""The layers every RPC passes."""
