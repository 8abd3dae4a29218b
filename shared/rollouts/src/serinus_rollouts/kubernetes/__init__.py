"""The one Kubernetes client: of the controller, the console and the command line."""
