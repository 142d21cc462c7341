"""What streams looked like: a page of all of a run's, a picture of the one a test failed over, a few lines at its end.

Loaded where a test streams or a report is asked for; each part imports what it needs itself.
"""
