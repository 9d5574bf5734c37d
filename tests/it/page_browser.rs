//! The page of lint in a real browser: silent, readable without a script, usable with a keyboard, and only text where jobs say
//! something. Pictures of it are kept in `target/page/` for people to look at.

use std::time::{Duration, Instant};

use dkron_jobs::job::printable;
use serde_json::json;

use crate::browser::Browser;
use crate::page::{HOSTILE, Set, hostile, many, mixed};

#[test]
fn it_loads_in_silence_and_asks_for_nothing() {
    let Some(mut browser) = Browser::start("page_browser::it_loads_in_silence_and_asks_for_nothing") else { return };
    for (name, set) in [("mixed", mixed()), ("none", Set::new(Vec::new(), None)), ("many-500", many(500))] {
        let html = set.page();
        for scheme in ["light", "dark"] {
            browser.scheme(scheme);
            browser.open(name, &html);
            browser.picture(&format!("{name}-{scheme}"), 6_000);
            assert_eq!(browser.complaints(), Vec::<String>::new(), "{name}, {scheme}");
        }
    }
    browser.scheme("light");
    browser.open("mixed", &mixed().page());
    browser.print("mixed");
    // This test would hear of them.
    browser.eval("document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:9/x.png\">')");
    browser.eval("console.error('heard')");
    browser.eval("new Promise((done) => setTimeout(done, 100))");
    let complaints = browser.complaints().join("\n");
    assert!(complaints.contains("img-src") && complaints.contains("heard"), "{complaints}");
}

#[test]
fn hostile_texts_stay_texts() {
    let Some(mut browser) = Browser::start("page_browser::hostile_texts_stay_texts") else { return };
    browser.open("hostile", &hostile().page());
    browser.picture("hostile", 6_000);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // Only what the page itself is made of.
    let strange = "[...document.querySelectorAll('*')].filter((element) =>
        ['IMG', 'IFRAME', 'OBJECT', 'EMBED', 'A', 'U'].includes(element.tagName) && !element.matches('nav a, .skip')
        || [...element.attributes].some((attribute) => /^on|^style$/i.test(attribute.name))).map((element) => element.outerHTML)";
    assert_eq!(browser.eval(strange), json!([]));
    assert_eq!(browser.eval("document.scripts.length"), 1);
    assert_eq!(browser.eval("document.querySelectorAll('style').length"), 1);
    // Each is there to be read, in the tables and beside the lanes, with what cannot be seen made visible.
    for text in HOSTILE {
        let shown = printable(text);
        for place in ["#jobs tbody th", "#coverage tbody th", "#timeline ol li"] {
            let found = format!(
                "[...document.querySelectorAll('{place}')].filter((cell) => cell.textContent.startsWith({})).length",
                json!(shown)
            );
            assert_eq!(browser.eval(&found), 1, "{text:?} in {place}");
        }
    }
    assert_eq!(browser.eval("document.querySelector('h1').textContent"), json!(printable(&HOSTILE.concat())));
    // A text as it would be without its escapes is noticed.
    browser.eval("document.body.insertAdjacentHTML('beforeend', '<b onclick=\"alert(1)\">x</b>')");
    assert_ne!(browser.eval(strange), json!([]));
}

/// What is on show in a part of the page.
fn shown(browser: &mut Browser, selector: &str) -> usize {
    let visible =
        format!("[...document.querySelectorAll('{selector}')].filter((element) => element.checkVisibility()).length");
    browser.eval(&visible).as_u64().and_then(|count| count.try_into().ok()).expect("a number")
}

/// Waits until the filter has done its work.
fn settle(browser: &mut Browser) -> String {
    let said = browser
        .eval("new Promise((done) => setTimeout(() => done(document.getElementById('matches').textContent), 400))");
    said.as_str().map(str::to_owned).expect("a text")
}

#[test]
fn a_keyboard_is_enough() {
    let Some(mut browser) = Browser::start("page_browser::a_keyboard_is_enough") else { return };
    browser.open("mixed", &mixed().page());
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.className"), "skip");
    assert!(
        browser.eval("document.activeElement.getBoundingClientRect().left").as_f64() >= Some(0.0),
        "it is to be seen"
    );
    browser.press("Enter");
    assert_eq!(browser.eval("document.activeElement.id"), "main");
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.id"), "words");

    let all = |browser: &mut Browser| [".note", "ol li", "tbody tr"].map(|part| shown(browser, part));
    let before = all(&mut browser);
    browser.type_text("PURGE-logs");
    assert_eq!(settle(&mut browser), "3 notes, 1 lane, 1 row");
    assert_eq!(all(&mut browser), [3, 1, 1]);
    // The lane left is the first one of its picture.
    let lane = "document.querySelector('.day g[visibility=visible]').getBBox().y >= 0
        && document.querySelector('.group:not([hidden]) .day').getBoundingClientRect().height";
    assert_eq!(browser.eval(lane), 20);
    browser.picture("mixed-filtered", 2_000);
    browser.press("Tab");
    browser.press("ArrowRight");
    assert_eq!(browser.eval("document.activeElement.value"), "error");
    assert_eq!(settle(&mut browser), "0 notes, 1 lane, 1 row");
    assert_eq!(shown(&mut browser, ".note"), 0);
    browser.eval("document.getElementById('words').focus()");
    browser.press("Escape");
    assert_eq!(settle(&mut browser), "5 notes, 30 lanes, 56 rows");
    assert_eq!(shown(&mut browser, ".grade.warning"), 0);
    browser.eval("document.querySelector('[name=severity]').focus()");
    browser.eval("document.querySelector('[name=severity]').click()");
    assert_eq!(settle(&mut browser), "");
    assert_eq!(all(&mut browser), before, "as it was");

    // What is folded opens, and each part that scrolls can be reached and has a name.
    browser.eval("document.querySelector('#notes > details > summary').focus()");
    browser.press("Enter");
    assert_eq!(browser.eval("document.querySelector('#notes > details').open"), true);
    let nameless = "[...document.querySelectorAll('.scroll')].filter((part) =>
        part.tabIndex !== 0 || part.getAttribute('role') !== 'region' || !part.getAttribute('aria-label')).length";
    assert_eq!(browser.eval(nameless), 0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn without_a_script_everything_is_there() {
    let Some(mut browser) = Browser::start("page_browser::without_a_script_everything_is_there") else { return };
    let html = mixed().page();
    browser.open("mixed", &html);
    let with = browser.eval("document.getElementById('main').textContent.length");
    browser.scripts(false);
    browser.open("mixed", &html);
    browser.picture("mixed-without-script", 2_000);
    assert_eq!(shown(&mut browser, "#filter"), 0, "a filter that does nothing");
    assert_eq!(browser.eval("document.getElementById('main').textContent.length"), with);
    assert_eq!((shown(&mut browser, ".note"), shown(&mut browser, "#coverage tbody tr")), (10, 14));
}

/// For each text on show: how strongly it stands out from what is behind it, by WCAG's formula; the weakest ones.
const CONTRAST: &str = "(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgb = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data]; };
    const light = (color) => { const [r, g, b] = rgb(color).map((part) => { const c = part / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    const behind = (element) => { for (let at = element; at; at = at.parentElement) {
        const color = getComputedStyle(at).backgroundColor; if (rgb(color)[3] === 255) return color; } return 'white'; };
    const weak = new Set();
    let seen = 0;
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest('title, desc, script, style')) continue;
        seen += 1;
        const style = getComputedStyle(element);
        const color = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
        if (ratio(color, behind(element)) < 4.5) weak.add(element.tagName + '.' + element.className + ' ' + color);
    }
    for (const [kind, least] of [['l', 3], ['x', 3], ['t', 3], ['d', 3], ['a', 3], ['s', 3]]) {
        for (const path of document.querySelectorAll('path.' + kind)) {
            const style = getComputedStyle(path);
            const color = kind === 'a' ? style.fill : style.stroke;
            seen += 1;
            if (ratio(color, behind(path.closest('section'))) < least) weak.add('path.' + kind + ' ' + color);
        }
    }
    return { seen, weak: [...weak], dark: light(behind(document.body)) < 0.2 };
})()";

#[test]
fn it_can_be_read_in_light_and_dark_and_in_a_narrow_window() {
    let Some(mut browser) = Browser::start("page_browser::it_can_be_read_in_light_and_dark_and_in_a_narrow_window")
    else {
        return;
    };
    let html = mixed().page();
    for (scheme, dark) in [("light", false), ("dark", true)] {
        browser.scheme(scheme);
        browser.open("mixed", &html);
        let contrast = browser.eval(CONTRAST);
        assert_eq!(contrast["weak"], json!([]), "{scheme}");
        assert_eq!(contrast["dark"], dark, "{scheme}");
        assert!(contrast["seen"].as_u64() > Some(200), "{contrast}");
    }
    browser.scheme("light");
    for width in [360, 800] {
        browser.size(width, 800);
        browser.open("mixed", &html);
        browser.picture(&format!("mixed-{width}"), 6_000);
        assert_eq!(browser.eval("document.documentElement.scrollWidth"), width, "only parts of it scroll sideways");
    }
    // Weak colours would be seen.
    browser.eval("document.body.style.color = '#999'");
    assert_ne!(browser.eval(CONTRAST)["weak"], json!([]));
}

#[test]
fn ten_thousand_jobs_are_usable() {
    let Some(mut browser) = Browser::start("page_browser::ten_thousand_jobs_are_usable") else { return };
    let html = many(10_000).page();
    let start = Instant::now();
    browser.open("many-10000", &html);
    browser.eval("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
    let opened = start.elapsed();
    browser.eval("document.getElementById('words').focus()");
    let start = Instant::now();
    browser.type_text("accounts-0770");
    while browser.eval("document.getElementById('matches').textContent") == "" {
        assert!(start.elapsed() < Duration::from_secs(20), "the filter does not answer");
    }
    browser.picture("many-10000", 6_000);
    // Ten times what is seen on two cores that others use too.
    assert!(opened < Duration::from_secs(20), "{opened:?}");
    assert_eq!(shown(&mut browser, "#jobs tbody tr"), 2);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
