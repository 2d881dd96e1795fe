"""Named, frozen experiments, a TOML file each."""
