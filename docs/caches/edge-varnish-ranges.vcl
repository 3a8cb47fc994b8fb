# A cache that keeps each range by itself: Varnish. Start it with `-p default_grace=0` and
# `-p http_range_support=off`: otherwise it cuts ranges out of whole files.
# HOST, PORT: the server that it caches.
#
# It keeps each range once for all readers, because readers of a package send the same closed ranges.
vcl 4.1;

import std;

backend origin { .host = "HOST"; .port = "PORT"; }

sub vcl_recv {
    unset req.http.Accept-Encoding;
    unset req.http.Asked;
    if (req.http.Range) {
        # Open ranges, and several at once, are not kept.
        if (req.http.Range !~ "^bytes=[0-9]+-[0-9]+$") { return (pass); }
        set req.http.Asked = req.http.Range;
        unset req.http.Range;
    }
}

sub vcl_hash {
    if (req.http.Asked) { hash_data(req.http.Asked); }
}

sub vcl_backend_fetch {
    if (bereq.http.Asked) {
        set bereq.http.Range = bereq.http.Asked;
        unset bereq.http.Asked;
    }
}

sub vcl_backend_response {
    set beresp.grace = 0s;
    set beresp.do_gzip = false;
    # By default Varnish drops this field and gives a 206 no lifetime.
    if (beresp.http.Content-Range) { set beresp.http.Kept-Range = beresp.http.Content-Range; }
    if (beresp.status == 206) {
        if (beresp.http.Cache-Control ~ "max-age=[0-9]+" && beresp.http.Cache-Control !~ "no-store") {
            set beresp.ttl = std.duration(
                regsub(beresp.http.Cache-Control, "^.*max-age=([0-9]+).*$", "\1") + "s", 0s);
            return (deliver);
        }
        set beresp.uncacheable = true;
    }
    if (beresp.status == 416) { set beresp.uncacheable = true; }
}

sub vcl_deliver {
    if (resp.http.Kept-Range) {
        set resp.http.Content-Range = resp.http.Kept-Range;
        set resp.http.Accept-Ranges = "bytes";
        unset resp.http.Kept-Range;
    }
}
