"""The Textual front end: widgets draw what `incident` says, and no rule lives here."""
