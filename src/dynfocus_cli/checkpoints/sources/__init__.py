"""Where weights come from: one key map a layout, and the quirks of each."""
