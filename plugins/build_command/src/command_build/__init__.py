"""The commands `mlcore build` and `mlcore dockerfile`: container images of model folders."""
