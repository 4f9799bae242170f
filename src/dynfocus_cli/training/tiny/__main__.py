"""`python -m dynfocus_cli.training.tiny`"""

from dynfocus_cli.training.tiny.recipe import main

main()
