from serinus_collector.app import main

main()
