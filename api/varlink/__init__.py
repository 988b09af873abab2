"""varlink, both sides: the definition language, the checker that it drives, framing, a server and a client. No engine here.

    idl        text -> Interface
    check      JSON -> checked values, by the Interface
    frame      bytes <-> messages
    transport  addresses, listening sockets, socket activation
    service    a message -> a handler's reply
    server     connections, a thread each
    lookout    who watches connections that nobody reads from; polling: how many are waited for at once
    client     the other side

The protocol: https://varlink.org/Method-Call and https://varlink.org/Service
"""
