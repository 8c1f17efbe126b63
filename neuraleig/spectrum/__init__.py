r"""Exact eigenvectors of a stored graph, and Rayleigh-Ritz for learned functions.

With :math:`W` the affinity and :math:`D` its degrees, the normalised affinity is
:math:`A = D^{-1/2} W D^{-1/2}`. Its eigenvectors :math:`U` and those of the random
walk, :math:`V = D^{-1/2} U`, share their eigenvalues; :math:`V` is what a smooth
function of the features can follow.
"""

from neuraleig.spectrum._filter import CPU
from neuraleig.spectrum._graph_spectrum import Spectrum, graph_spectrum
from neuraleig.spectrum._ritz import RitzPairs, nearest_to_known, rayleigh_ritz
from neuraleig.spectrum._solvers import predicted_factor_entries
from neuraleig.spectrum._suggestion import suggest_n_clusters

__all__ = [
    "CPU",
    "RitzPairs",
    "Spectrum",
    "graph_spectrum",
    "nearest_to_known",
    "predicted_factor_entries",
    "rayleigh_ritz",
    "suggest_n_clusters",
]
