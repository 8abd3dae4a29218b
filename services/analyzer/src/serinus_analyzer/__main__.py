from serinus_analyzer.app import main

main()
