from serinus_notifier.app import main

main()
