"""Reports about fitted models, each one HTML file without external parts."""

from neuraleig.report._write import write_report

__all__ = ["write_report"]
