"""Every kind of message that Runbell sends, made by the real code: to compare, read and look at.

`python -m local.gallery` (`make gallery`) writes them into docs/.
"""
