"""The recipe of a small public-family model that never saw anything of DynFocus's: `weights/stock`."""
