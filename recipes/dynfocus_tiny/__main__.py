"""`python -m dynfocus_tiny`"""

from dynfocus_tiny.recipe import main

main()
