"""The views of pages, pure: a row of the cabinet or a form in, words and sentences out. No request, no database."""
