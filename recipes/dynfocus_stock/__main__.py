from dynfocus_stock.recipe import main

if __name__ == "__main__":
    main()
