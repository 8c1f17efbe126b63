r"""Exact eigenvectors of a stored graph, and Rayleigh-Ritz for learned functions.

The normalised affinity is :math:`A = D^{-1/2} W D^{-1/2}`, with the affinity
:math:`W` and its degrees :math:`D`. Its eigenvectors :math:`U` and the random-walk
eigenvectors :math:`V = D^{-1/2} U` have the same eigenvalues; a network, as a smooth
function of the features, learns :math:`V`.
"""

from neuraleig.spectrum._graph_spectrum import Spectrum, graph_spectrum
from neuraleig.spectrum._ritz import RitzPairs, rayleigh_ritz
from neuraleig.spectrum._suggestion import suggest_n_clusters

__all__ = [
    "RitzPairs",
    "Spectrum",
    "graph_spectrum",
    "rayleigh_ritz",
    "suggest_n_clusters",
]
