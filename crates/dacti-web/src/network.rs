//! The browser's `fetch` as an HTTP client.

use crate::slot::{Message, Slot, Slots};
use bytes::Bytes;
use core::time::Duration;
use dacti::Error;
use dacti::fetch::{Exchange, HttpAnswer, HttpClient, HttpEnd, HttpRequest, HttpSent};
use dacti_http::End;
use std::sync::Arc;

/// The host as an HTTP client.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) slots: Arc<Slots>,
    /// The host's number for the package and its options.
    pub(crate) client: u32,
}

/// Called once for each answer that comes after redirects. An error ends the request.
type Hop<'c> = &'c (dyn Fn() -> Result<(), Error> + Send + Sync);

impl Network {
    async fn sent(
        &self,
        request: HttpRequest,
        hop: Hop<'_>,
    ) -> Result<Result<HttpSent, HttpEnd>, Error> {
        let mut slot = self.slots.open();
        slot.stop_when_dropped(true);
        let HttpRequest { url, fields, first_byte_time_max, silence_max, time_max, .. } = request;
        let mut lines = String::new();
        for (name, value) in &fields {
            lines.extend([name, ": ", value, "\n"]);
        }
        let times = [first_byte_time_max, silence_max, time_max];
        slot.host().send(slot.number(), self.client, &url, &lines, times);
        let (status, lines) = match slot.next().await {
            Message::Begun(status, lines) => (status, lines),
            other => return Ok(Err(ended(&mut slot, other))),
        };
        let (redirected, _) = lines.split_once('\n').unwrap_or((&lines, ""));
        let redirected = (!redirected.is_empty()).then(|| redirected.to_owned());
        // The browser follows redirects by itself, and reports a redirect only afterwards.
        if redirected.is_some() {
            hop()?;
        }
        let answer = Box::new(Answer { slot, status, lines });
        Ok(Ok(HttpSent { answer, redirected }))
    }
}

impl HttpClient for Network {
    fn check_url(&self, url: &str) -> Result<String, Error> {
        // The host has parsed the URL, so the URL is valid.
        Ok(url.to_owned())
    }

    fn beside(&self, url: &str, name: &str, keeps_query: bool) -> Option<String> {
        let (url, _) = url.split_once('#').unwrap_or((url, ""));
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let (folder, _) = path.rsplit_once('/')?;
        // `fetch` encodes characters that a path cannot contain. A prefix and an object's name
        // contain no character with a special meaning in a URL: see R-PART-09 and R-PART-10.
        let mark = if keeps_query && !query.is_empty() { "?" } else { "" };
        let query = if keeps_query { query } else { "" };
        Some([folder, "/", name, mark, query].concat())
    }

    fn send<'c>(
        &'c self,
        request: HttpRequest,
        hop: Hop<'c>,
    ) -> Exchange<'c, Result<Result<HttpSent, HttpEnd>, Error>> {
        Box::pin(self.sent(request, hop))
    }

    fn sleep(&self, time: Duration) -> Exchange<'static, ()> {
        let slots = Arc::clone(&self.slots);
        Box::pin(async move {
            let slot = slots.open();
            slot.host().sleep(slot.number(), time);
            slot.next().await;
        })
    }

    fn random(&self) -> u64 {
        let host = self.slots.host();
        u64::from(host.random()) << 32 | u64::from(host.random())
    }
}

/// An answer whose body has not been read to its end.
#[derive(Debug)]
struct Answer {
    slot: Slot,
    status: u16,
    lines: String,
}

impl HttpAnswer for Answer {
    fn status(&self) -> u16 {
        self.status
    }

    fn each_field(&self, take: &mut dyn FnMut(&str, &[u8])) {
        for line in self.lines.lines().skip(1) {
            if let Some((name, value)) = line.split_once(':') {
                take(name, value.as_bytes());
            }
        }
    }

    fn next(&mut self) -> Exchange<'_, Result<Option<Bytes>, HttpEnd>> {
        Box::pin(async {
            self.slot.host().more(self.slot.number());
            match self.slot.next().await {
                Message::Bytes(bytes) => {
                    self.slot.slots().tools_if_wanted().await;
                    Ok(Some(bytes.into()))
                }
                Message::End => {
                    self.slot.stop_when_dropped(false);
                    Ok(None)
                }
                other => Err(ended(&mut self.slot, other)),
            }
        })
    }
}

/// Returns the reason why an exchange ended without a whole answer.
fn ended(slot: &mut Slot, message: Message) -> HttpEnd {
    slot.stop_when_dropped(false);
    let (number, cause) = match message {
        Message::Failed(number, cause) => (number, Some(cause)),
        _ => (0, None),
    };
    let end = match number {
        1 => End::Timeout,
        2 => End::Unreachable,
        _ => End::Reset,
    };
    HttpEnd { end, cause: cause.filter(|cause| !cause.is_empty()) }
}

#[cfg(test)]
mod tests {
    use super::Network;
    use crate::engine::tests::silent_slots;
    use dacti::fetch::HttpClient;

    #[test]
    fn an_object_lies_beside_the_file() {
        // spec: R-PART-09
        let network = Network { slots: silent_slots(), client: 1 };
        let object = |url: &str, keeps_query| network.beside(url, "p.parts/5d0c-1", keeps_query);
        let expected = |url: &str| Some(url.to_owned());
        assert_eq!(object("http://a/b/p?v=1#x", false), expected("http://a/b/p.parts/5d0c-1"));
        assert_eq!(object("http://a/b/p?v=1", true), expected("http://a/b/p.parts/5d0c-1?v=1"));
        assert_eq!(object("http://a/b/p?v=1/2", false), expected("http://a/b/p.parts/5d0c-1"));
        assert_eq!(object("http://u:s@a/p", false), expected("http://u:s@a/p.parts/5d0c-1"));
    }
}
