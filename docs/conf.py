"""How Sphinx builds these pages; CONTRIBUTING.md has the command.

The pages are Markdown that a code host renders as well. What only Sphinx needs, tables
of contents and copies of files outside of this folder, is derived from them by
``_extensions/repository_pages.py``.

``NEURALEIG_DOCS_INTERSPHINX=1`` links names of other projects to their documentation,
which is fetched; without it a build needs no network. ``NEURALEIG_DOCS_GALLERY=0`` does
not run the examples.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import neuraleig  # noqa: E402

project = "neuraleig"
author = "the neuraleig developers"
copyright = author
release = version = neuraleig.__version__

extensions = [
    "linked_names",
    "myst_parser",
    "numpydoc",
    "repository_pages",
    "short_names",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_codeautolink",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = ["_build", "_extensions", "_templates", "gallery/**/*.ipynb"]
templates_path = ["_templates"]
needs_sphinx = "8.1"

html_theme = "furo"
html_title = f"neuraleig {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False
# Docstrings quote values of parameters, which curly quotes would falsify.
smartquotes = False

# Headings of all levels can be linked to by the fragments of code hosts.
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc says types, in words
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    # Ancestors of other projects, which document them; theirs would be hundreds.
    "inherited-members": (
        "ABC,BaseEstimator,BaseException,ClassNamePrefixFeaturesOutMixin,ClusterMixin,"
        "Exception,Generic,Linear,Module,Optimizer,Sequence,TransformerMixin,Warning,"
        "_MetadataRequester,_SetOutputMixin,object,tuple"
    ),
}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# Blocks of a page share a namespace, as they do in the tests.
codeautolink_concat_default = True
codeautolink_autodoc_inject = False
codeautolink_disable_link_titles = True  # they name private modules
# The gallery links its blocks by itself, and flags of doctests are not shown.
suppress_warnings = ["codeautolink.match_block", "codeautolink.match_name"]
# Prompts of doctests and of shells are not copied, nor is their output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# A name that leads nowhere is an error, unless another project is to have it.
nitpicky = True
OTHER_PROJECTS = {
    "matplotlib": "https://matplotlib.org/stable",
    "numpy": "https://numpy.org/doc/stable",
    "python": "https://docs.python.org/3",
    "scipy": "https://docs.scipy.org/doc/scipy",
    "sklearn": "https://scikit-learn.org/stable",
    "torch": "https://pytorch.org/docs/stable",
}
if os.environ.get("NEURALEIG_DOCS_INTERSPHINX") == "1":
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {name: (url, None) for name, url in OTHER_PROJECTS.items()}
else:
    nitpick_ignore_regex = [(r"py:.*", rf"({'|'.join(OTHER_PROJECTS)})\..*")]

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"[\\/]plot_",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("neuraleig",),
    "reference_url": {"neuraleig": None},
    "download_all_examples": False,
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "show_memory": False,
    "plot_gallery": os.environ.get("NEURALEIG_DOCS_GALLERY", "1") == "1",
}
