from gan_tutorial.cli import main

main()
