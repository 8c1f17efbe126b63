"""Pages about fitted models: one HTML file each, without anything from elsewhere."""

from neuraleig.report._write import write_report

__all__ = ["write_report"]
