"""Times PyTorch's attention by the rules of assay; see scripts/torch_attention."""
