"""How clients talk to the server: the Socket.IO namespace, REST, keys and origins."""
