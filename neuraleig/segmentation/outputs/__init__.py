"""What is written and drawn: folders of labels, palettes, contact sheets."""
