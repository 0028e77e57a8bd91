"""HTTP as the functions use it: routes, problems, pages and cursors."""
