from serinus_controller.app import main

main()
