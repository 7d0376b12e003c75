package validate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// bigReport compares sides with 12,000 rows that differ, one of them with hostile text, and returns the page.
func bigReport(t *testing.T) (*Result, []byte) {
	t.Helper()
	type row struct {
		ID   int64  `parquet:"id"`
		At   int64  `parquet:"at,timestamp(microsecond)"`
		Name string `parquet:"name"`
		Land string `parquet:"land"`
	}
	var l, r []row
	for i := range 20_000 {
		x := row{int64(i), 1_780_000_000_000_000 + int64(i)*60e6, fmt.Sprintf("name %d", i), []string{"DE", "FR", "IN", "BR"}[i%4]}
		y := x
		if i < 12_000 {
			y.Name = strings.ToUpper(x.Name)
		}
		if i == 7 {
			y.Name = `</script><script>document.title="owned"</script>` + strings.Repeat("x", 3000)
		}
		l = append(l, x)
		if i != 19_999 {
			r = append(r, y)
		}
	}
	out := filepath.Join(t.TempDir(), "report")
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key, Out: out, Patterns: true})
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	return res, page
}

func TestPageStandsAlone(t *testing.T) {
	res, page := bigReport(t)
	if len(page) > 5<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, bad := range []string{"http://", "https://", "src=", "@import", "</script><script>document"} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, want := range []string{"<h1>Different</h1>", "prefers-color-scheme:dark", "<noscript>", "<svg", "text_normalisation", "9,002 of 12,001 rows that differ", `aria-live="polite"`, `<label for="q"`} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if res.Timeline == nil || len(res.Timeline.Buckets) < 300 {
		t.Fatalf("timeline: %+v", res.Timeline)
	}
	rows, differ := int64(0), int64(0)
	for _, b := range res.Timeline.Buckets {
		rows, differ = rows+b.Rows, differ+b.Different
	}
	if rows != 20_000 || differ != 12_001 {
		t.Errorf("the timeline counts %d rows, %d of which differ", rows, differ)
	}
}

// driver uses the page as a reader would and leaves what it found in the page's title.
const driver = `<script>
var errors=[];window.addEventListener('error',function(e){errors.push(e.message)});
</script>`

const drive = `<script>
window.addEventListener('load',function(){
 var at=function(){return document.getElementById('at').textContent},q=document.getElementById('q'),out=[],rows=function(){return document.querySelectorAll('#ex tr').length};
 var type=function(s){q.value=s;q.dispatchEvent(new Event('input'))};
 out.push(at(),rows());
 document.getElementById('next').click();out.push(at(),document.getElementById('prev').disabled);
 document.getElementById('prev').click();out.push(at(),document.getElementById('prev').disabled);
 type('NAME 3123');out.push(at(),document.querySelector('#ex .r').textContent,document.querySelector('#ex .l mark').textContent);
 type('no such thing');out.push(at(),rows());
 type('');var c=document.getElementById('cls');c.value='only left';c.dispatchEvent(new Event('change'));out.push(at());
 c.value='';c.dispatchEvent(new Event('change'));
 document.dispatchEvent(new KeyboardEvent('keydown',{key:'/',bubbles:true}));out.push(document.activeElement.id);
 var focusable=document.querySelectorAll('input,select,button,summary,[tabindex="0"]').length;out.push(focusable>=6);
 out.push('errors:'+errors.length);
 document.title=out.join('|');
});
</script>`

// inBrowser opens a page from disk in headless Chromium and gives what became of it and what the browser said.
func inBrowser(t *testing.T, content []byte) (dom, log string) {
	t.Helper()
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("no Chromium on the path: install one to test the report's page")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	c := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
		"--virtual-time-budget=5000", "--user-data-dir="+t.TempDir(), "--dump-dom", "file://"+file)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Skipf("Chromium does not run here: %v\n%s", err, stderr.String())
	}
	return string(out), stderr.String()
}

// driven is a page with a driver in it.
func driven(page []byte, drive string) []byte {
	page = bytes.Replace(page, []byte("<style>"), []byte(driver+"<style>"), 1)
	return bytes.Replace(page, []byte("</main>"), []byte(drive+"</main>"), 1)
}

// wantTitle holds what the driver found against what it should find.
func wantTitle(t *testing.T, dom, log, want string) {
	t.Helper()
	title := regexp.MustCompile(`<title>([^<]*)</title>`).FindStringSubmatch(dom)
	if title == nil || title[1] != want {
		t.Errorf("the page found\n%v, want\n%s", title, want)
	}
	if strings.Contains(log, "CONSOLE") {
		t.Errorf("the console says:\n%s", log)
	}
}

// TestPageInBrowser opens the page from disk in headless Chromium: search, paging, filters, keyboard, no console
// error; and reads it without JavaScript.
func TestPageInBrowser(t *testing.T) {
	_, page := bigReport(t)
	dom, log := inBrowser(t, driven(page, drive))
	wantTitle(t, dom, log, "1 to 50 of 9,002|50|51 to 100 of 9,002|false|1 to 50 of 9,002|true|1 to 1 of 1|NAME 3123|name|none found|0|1 to 1 of 1|q|true|errors:0")
	dom, _ = inBrowser(t, bytes.Replace(page, []byte("<script>\n(function"), []byte(`<script type="text/none">(function`), 1))
	if strings.Count(dom, `<span class="tag">`) != pageFirst || !strings.Contains(dom, "text_normalisation") {
		t.Errorf("without JavaScript %d examples are there, want %d", strings.Count(dom, `<span class="tag">`), pageFirst)
	}
}

const driveThree = `<script>
window.addEventListener('load',function(){
 var $=function(s){return document.getElementById(s)},out=[];
 out.push($('at'+'one').textContent,$('at'+'three').textContent,document.querySelectorAll('section.part').length);
 $('nextone').click();out.push($('atone').textContent,$('atthree').textContent);
 var q=$('qthree');q.value='NAME 2123';q.dispatchEvent(new Event('input'));
 out.push($('atthree').textContent,document.querySelector('#exthree .r').textContent,$('atone').textContent);
 document.dispatchEvent(new KeyboardEvent('keydown',{key:'/',bubbles:true}));out.push(document.activeElement.id);
 document.activeElement.blur();document.querySelector('a[href="#three"]').click();$('three').scrollIntoView();
 document.dispatchEvent(new KeyboardEvent('keydown',{key:'/',bubbles:true}));out.push(document.activeElement.id);
 out.push(document.querySelectorAll('[id]').length===new Set([].map.call(document.querySelectorAll('[id]'),function(e){return e.id})).size);
 out.push('errors:'+errors.length);
 document.title=out.join('|');
});
</script>`

// TestPageOfThree: several comparisons on one page share its room, and each has its search; a part that is equal
// has no examples.
func TestPageOfThree(t *testing.T) {
	res, alone := bigReport(t)
	same := fileSide(t, "x.csv", "id,v\n1,2\n")
	equal := judge(t, Options{Left: same, Right: same, Key: key})
	var b bytes.Buffer
	err := WriteHTMLReport(&b, &HTMLReport{Title: "Three", Verdict: Different, Headline: "Different", Sentence: "A <b>sentence</b>.",
		Curves: []HTMLCurve{{Title: "Price", Text: "of it", Axis: "disorder", Unit: "late rows", Points: []HTMLPoint{{"10m", 1200}, {"20m", 300}, {"1h", 0}}}},
		Parts:  []HTMLPart{{"one", "A against B", "this", res}, {"two", "B against C", "that", equal}, {"three", "A against C", "all", res}}})
	if err != nil {
		t.Fatal(err)
	}
	page := b.Bytes()
	if len(page) > 5<<20 || len(page) > 2*len(alone) {
		t.Errorf("the page has %d bytes, one part alone %d", len(page), len(alone))
	}
	for _, want := range []string{"<h1>Different</h1>", "&lt;b&gt;", `href="#three"`, `<section class="part" id="two">`, "<h3>Causes</h3>", "1,200", `width:25.00%`, "3,002 of 12,001 rows that differ", `<td class="is-equal">Equal</td>`} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"http://", "https://", "src=", "</script><script>document", `id="qtwo"`} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("the page contains %q", bad)
		}
	}
	dom, log := inBrowser(t, driven(page, driveThree))
	wantTitle(t, dom, log, "1 to 50 of 3,002|1 to 50 of 3,002|3|51 to 100 of 3,002|1 to 50 of 3,002|1 to 1 of 1|NAME 2123|51 to 100 of 3,002|qone|qthree|true|errors:0")
}

// TestPageOnAPhone: the counts of both sides are seen at once at 390 pixels, as wide as a phone is.
func TestPageOnAPhone(t *testing.T) {
	_, page := bigReport(t)
	dom, log := inBrowser(t, driven(page, `<script>
window.addEventListener('load',function(){
 document.body.style.width='390px';
 var box=document.querySelector('table.tight').parentNode;
 document.title=box.clientWidth+'|'+(box.scrollWidth<=box.clientWidth);
});
</script>`))
	wantTitle(t, dom, log, "350|true")
}

// TestKeysAsTheyAre: a key with what JSON and HTML write in their own ways is shown as it is.
func TestKeysAsTheyAre(t *testing.T) {
	side := func(v string) Input {
		return jsonSide(t, `{"id":"<AT&T> \"x\", y","n":null,"v":"`+v+`"}`)
	}
	res := judge(t, Options{Left: side("a"), Right: side("b"), Key: []string{"id", "n"}})
	if got := string(res.Examples[0].Key); got != `{"id":"<AT&T> \"x\", y","n":null}` {
		t.Errorf("the key as JSON is %s", got)
	}
	if got := keyPlain(res.Examples[0].Key); got != `id = <AT&T> "x", y, n = null` {
		t.Errorf("the key is %s", got)
	}
}

// TestEmptyTextOnThePage: an example of NULL against an empty text shows both.
func TestEmptyTextOnThePage(t *testing.T) {
	for _, x := range [][4]string{{"null", `""`, "NULL", "''"}, {`""`, `"x"`, "''", "x"}, {`" "`, "null", "' '", "NULL"}} {
		res := judge(t, Options{Left: jsonSide(t, `{"id":1,"v":`+x[0]+`}`, `{"id":2,"v":"y"}`), Right: jsonSide(t, `{"id":1,"v":`+x[1]+`}`, `{"id":2,"v":"y"}`), Key: key})
		cell := pageExampleOf(&res.Examples[0]).Cells[0]
		if got := [2]string{strings.Join(cell.Left[:], ""), strings.Join(cell.Right[:], "")}; got != [2]string{x[2], x[3]} {
			t.Errorf("%s and %s are %q", x[0], x[1], got)
		}
	}
}
