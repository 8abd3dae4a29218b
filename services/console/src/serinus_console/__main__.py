from serinus_console.app import main

main()
