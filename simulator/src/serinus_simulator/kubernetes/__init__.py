"""The Kubernetes API over HTTP: objects, patches, watches and reviews, with the words of the real one."""
