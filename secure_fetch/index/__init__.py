"""What a Python package index looks like: project pages, layouts, the names of files and the choice among them.

Nothing here reads or fetches anything. Everything that is parsed is taken for hostile, signed or not.
"""
