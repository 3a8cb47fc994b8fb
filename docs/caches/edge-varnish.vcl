# A cache that keeps whole files: Varnish. Start it with `-p default_grace=0`.
# HOST, PORT: the server that it caches.
vcl 4.1;

backend origin { .host = "HOST"; .port = "PORT"; }

sub vcl_recv {
    unset req.http.Accept-Encoding;
    if (req.http.Range ~ ",") { return (synth(400, "one range at a time")); }
}

sub vcl_backend_response {
    # Nothing is served past the lifetime that the origin gives.
    set beresp.grace = 0s;
    set beresp.do_gzip = false;
    if (beresp.status == 416 || beresp.status == 206) { set beresp.uncacheable = true; }
}
