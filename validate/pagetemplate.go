package validate

// The report's page: one file, without network. The first examples stand in the table; the script takes over from
// there.
const (
	pageHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<link rel="icon" href="data:,">
<style>
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#5b6470;--line:#dfe3e8;--box:#f5f7f9;--bad:#b3261e;--badbg:#fbe4e2;--good:#1a6b3c;--goodbg:#dff3e6;--warn:#8a5a00;--acc:#2457c5}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e5e8ec;--dim:#9aa4b1;--line:#2c323a;--box:#1c2127;--bad:#ff8f85;--badbg:#4a2320;--good:#7fdba0;--goodbg:#1d3d2a;--warn:#ffc46b;--acc:#8ab0ff}}
*{box-sizing:border-box}a{color:var(--acc)}
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;max-width:76rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .4rem}h2{font-size:1.1rem;margin:2.5rem 0 .6rem}
p{margin:.3rem 0}.dim{color:var(--dim)}.small{font-size:.87rem}
.equal h1{color:var(--good)}.different h1,.broken_keys h1{color:var(--bad)}.inconclusive h1{color:var(--warn)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--dim);font-size:.85rem;white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.name{font-weight:600;white-space:nowrap}
table.tight{width:auto;min-width:min(24rem,100%)}
code,.mono{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
.bar{display:inline-block;background:var(--box);height:.6rem;width:7rem;border-radius:2px;overflow:hidden;vertical-align:middle}.bar i{display:block;height:100%;background:var(--bad);min-width:1px}
mark{background:var(--badbg);color:inherit;border-radius:2px}td.r mark{background:var(--goodbg)}
.nowrap{white-space:nowrap}ul{margin:0;padding-left:1.1rem}summary{cursor:pointer;color:var(--dim)}
svg{width:100%;height:auto;display:block;background:var(--box);border-radius:4px}svg rect{fill:var(--bad)}svg rect:hover{fill:var(--acc)}
.axis{display:flex;justify-content:space-between}
.tools{display:flex;gap:.6rem;flex-wrap:wrap;align-items:center;margin:.4rem 0 .8rem}
input,select,button{font:inherit;color:inherit;background:var(--box);border:1px solid var(--line);border-radius:5px;padding:.3rem .6rem}
input{flex:1;min-width:14rem}button{cursor:pointer}button:disabled{opacity:.45;cursor:default}
:focus-visible{outline:2px solid var(--acc);outline-offset:1px}
.tag{display:inline-block;border:1px solid var(--line);border-radius:9px;padding:0 .5rem;font-size:.8rem;color:var(--dim);white-space:nowrap}
td.wide{max-width:60rem}td.key{min-width:11rem;max-width:22rem}tr.on>td{border-bottom-color:transparent}
section.part{margin-top:3rem;border-top:3px solid var(--line)}section.part>h2{font-size:1.35rem;margin:1.2rem 0 .2rem}h3{font-size:1.05rem;margin:2rem 0 .6rem}
.is-equal{color:var(--good)}.is-different,.is-broken_keys{color:var(--bad)}.is-inconclusive{color:var(--warn)}
[hidden]{display:none!important}
@media print{.tools{display:none}}
</style></head><body class="{{.Verdict}}">
<header><h1>{{.Headline}}</h1><p>{{.Sentence}}</p>
{{if not .Many}}{{range .Parts}}<p class="dim small">{{.Left}} (left) and {{.Right}} (right){{if .Key}}, by {{.Key}}{{end}}{{if .Pending}}; rows {{.Pending}} are pending{{end}}</p>{{end}}{{end}}</header>
<main>
{{if .Many}}<div class="scroll"><table><thead><tr><th scope="col">comparison</th><th scope="col">sides</th><th scope="col">what it shows</th><th scope="col">verdict</th><th scope="col" class="n">agree</th><th scope="col" class="n">only left</th><th scope="col" class="n">only right</th><th scope="col" class="n">changed</th><th scope="col" class="n">pending</th><th scope="col" class="n">unexplained</th></tr></thead><tbody>
{{range .Parts}}<tr><td class="name"><a href="#{{.ID}}">{{.Name}}</a></td><td class="nowrap">{{.Sides}}</td><td>{{.Meaning}}</td><td class="is-{{.Verdict}}">{{.Headline}}</td><td class="n">{{.Agree}}</td><td class="n">{{.OnlyLeft}}</td><td class="n">{{.OnlyRight}}</td><td class="n">{{.Changed}}</td><td class="n">{{.Waiting}}</td><td class="n">{{.Unexplained}}</td></tr>
{{end}}</tbody></table></div>
{{end}}{{range .Curves}}<h2>{{.Title}}</h2><p class="small dim">{{.Text}}</p><div class="scroll"><table class="tight"><thead><tr><th scope="col">{{.Axis}}</th><th scope="col" class="n">{{.Unit}}</th><th scope="col"></th></tr></thead><tbody>
{{range .Points}}<tr><td class="nowrap">{{.Label}}</td><td class="n">{{.Count}}</td><td>{{if ne .Count "0"}}<span class="bar"><i style="width:{{.Bar}}%"></i></span>{{end}}</td></tr>
{{end}}</tbody></table></div>
{{end}}{{range .Parts}}{{if $.Many}}<section class="part" id="{{.ID}}"><h2>{{.Name}}: {{.Sides}}</h2><p><span class="is-{{.Verdict}}">{{.Headline}}</span>: {{.Sentence}}</p>
<p class="dim small">{{.Left}} (left) and {{.Right}} (right), by {{.Key}}{{if .Pending}}; rows {{.Pending}} are pending{{end}}</p>
{{end}}{{template "part" .}}{{if $.Many}}</section>
{{end}}{{end}}`

	pagePart = `<h2>Rows</h2><div class="scroll"><table class="tight"><thead><tr><th scope="col"></th><th scope="col" class="n">left</th><th scope="col" class="n">right</th></tr></thead><tbody>
{{range .Rows}}<tr><td>{{.Name}}</td><td class="n">{{.Left}}</td><td class="n">{{.Right}}</td></tr>
{{end}}</tbody></table></div>
{{if .Causes}}<h2>Causes</h2><div class="scroll"><table><thead><tr><th scope="col">cause</th><th scope="col" class="n">rows</th><th scope="col"></th><th scope="col" class="n">cells</th><th scope="col">evidence</th></tr></thead><tbody>
{{range .Causes}}<tr><td class="name">{{.Name}}</td><td class="n">{{.Rows}}</td><td><span class="bar"><i style="width:{{.Bar}}%"></i></span></td><td class="n">{{.Cells}}</td><td>{{range .Evidence}}<div>{{.}}</div>{{end}}{{if .Keys}}<div class="dim small">such as {{range $i, $k := .Keys}}{{if $i}} · {{end}}{{$k}}{{end}}</div>{{end}}</td></tr>
{{end}}</tbody></table></div>{{end}}
{{if .Columns}}<h2>Columns that differ</h2><div class="scroll"><table><thead><tr><th scope="col">column</th><th scope="col">type</th><th scope="col" class="n">different</th><th scope="col"></th><th scope="col" class="n">within</th><th scope="col" class="n">null left</th><th scope="col" class="n">null right</th><th scope="col" class="n">median</th><th scope="col" class="n">p99</th><th scope="col" class="n">largest</th></tr></thead><tbody>
{{range .Columns}}<tr{{if or .Top .WhatIf}} class="on"{{end}}><td class="name">{{.Name}}</td><td class="dim">{{.Type}}</td><td class="n">{{.Differ}}</td><td><span class="bar" title="{{.Percent}}"><i style="width:{{.Bar}}%"></i></span> <span class="dim small nowrap">{{.Percent}}</span></td><td class="n">{{.Tolerated}}</td><td class="n">{{.NullL}}</td><td class="n">{{.NullR}}</td><td class="n">{{.P50}}</td><td class="n">{{.P99}}</td><td class="n" title="{{printf "%s" .MaxAbs}}">{{.Max}}</td></tr>
{{if or .Top .WhatIf}}<tr><td></td><td colspan="9" class="small dim wide">{{if .Top}}{{range $i, $x := .Top}}{{if $i}} · {{end}}<code>{{$x.Left}} → {{$x.Right}}</code> {{$x.Count}} times{{end}}<br>{{end}}{{with .WhatIf}}{{range $i, $x := .Curve}}{{if $i}} · {{end}}<code>{{$x.Tolerance}}</code> would leave {{$x.Different}}{{end}}{{end}}</td></tr>{{end}}
{{end}}</tbody></table></div>{{if .EqualWith}}<p class="small dim">Equal with <code>{{.EqualWith}}</code></p>{{end}}{{end}}
{{if .Same}}<details><summary>{{len .Same}} columns are the same</summary><div class="scroll"><table><tbody>{{range .Same}}<tr><td class="name">{{.Name}}</td><td class="dim">{{.Type}}</td><td class="n">{{.Compared}} compared</td></tr>
{{end}}</tbody></table></div></details>{{end}}
{{if .Schema}}<h2>Schema</h2><div class="scroll"><table><tbody>{{range .Schema}}<tr><td class="name">{{.Column}}</td><td class="dim">{{.Left}}</td><td class="dim">{{.Right}}</td><td>{{.Text}}</td></tr>
{{end}}</tbody></table></div>{{end}}
{{if .Uncomparable}}<h2>Not compared</h2><div class="scroll"><table><tbody>{{range .Uncomparable}}<tr><td class="name">{{.Column}}</td><td>{{.TypeLeft}}</td><td>{{.TypeRight}}</td><td>{{.Reason}}</td></tr>
{{end}}</tbody></table></div>{{end}}
{{if .Bars}}<h2>When</h2><p class="small dim">{{.TimeTitle}}; at most {{.TimeMost}}</p>
<svg viewBox="0 0 1000 120" preserveAspectRatio="none" role="img" aria-label="{{.TimeTitle}}, from {{.TimeFrom}} to {{.TimeTo}}">{{range .Bars}}<rect x="{{printf "%.2f" .X}}" y="{{printf "%.2f" .Y}}" width="{{printf "%.2f" .W}}" height="{{printf "%.2f" .H}}"><title>{{.Title}}</title></rect>{{end}}</svg>
<div class="axis small dim"><span>{{.TimeFrom}}</span><span>{{.TimeTo}}</span></div>{{end}}
{{if .Patterns}}<h2>Patterns</h2><p class="small dim">values that rows which differ have more often than others</p><div class="scroll"><table><thead><tr><th scope="col">column</th><th scope="col">value</th><th scope="col" class="n">different</th><th scope="col" class="n">of rows</th><th scope="col">share of them</th><th scope="col" class="n">times as often</th></tr></thead><tbody>
{{range .Patterns}}<tr><td class="name">{{.Column}}</td><td><code>{{.Value}}</code></td><td class="n">{{.Different}}</td><td class="n">{{.Rows}}</td><td><span class="bar"><i style="width:{{.Bar}}%"></i></span></td><td class="n">{{.Lift}}</td></tr>
{{end}}</tbody></table></div>{{end}}
{{if .First}}<h2 id="examples{{.ID}}">Examples</h2><p class="small dim">{{.Shown}}</p>
<noscript><p class="small dim">The first {{len .First}} are here; search and the others need JavaScript.</p></noscript>
<div class="tools" id="tools{{.ID}}" hidden><label for="q{{.ID}}" class="dim">Search</label><input id="q{{.ID}}" type="search" placeholder="key, column, value or cause" autocomplete="off"><label class="dim">Class <select id="cls{{.ID}}"><option value="">all</option></select></label><label class="dim">Cause <select id="cau{{.ID}}"><option value="">all</option></select></label><button id="prev{{.ID}}" type="button">Previous</button><span id="at{{.ID}}" class="small dim" role="status" aria-live="polite"></span><button id="next{{.ID}}" type="button">Next</button></div>
<div class="scroll" tabindex="0" role="region" aria-label="Examples"><table><thead><tr><th scope="col">class</th><th scope="col">key</th><th scope="col">column</th><th scope="col">left</th><th scope="col">right</th><th scope="col">cause</th></tr></thead><tbody id="ex{{.ID}}">
{{range .First}}{{$e := .}}{{if .Cells}}{{range $i, $c := .Cells}}<tr><td>{{if not $i}}<span class="tag">{{$e.Class}}</span>{{end}}</td><td class="key mono">{{if not $i}}{{$e.Key}}{{end}}</td><td class="name">{{$c.Column}}</td><td class="l mono">{{index $c.Left 0}}<mark>{{index $c.Left 1}}</mark>{{index $c.Left 2}}</td><td class="r mono">{{index $c.Right 0}}<mark>{{index $c.Right 1}}</mark>{{index $c.Right 2}}</td><td class="dim">{{$c.Cause}}</td></tr>
{{end}}{{else}}<tr><td><span class="tag">{{.Class}}</span></td><td class="key mono">{{.Key}}</td><td colspan="3" class="dim small">{{.Note}}</td><td class="dim">{{.Cause}}</td></tr>
{{end}}{{end}}</tbody></table></div>
<script type="application/json" class="data" data-id="{{.ID}}" id="data{{.ID}}">{{.All}}</script>{{end}}
`

	pageTail = `{{if .Examples}}<script>
(function(){'use strict';
function list(data){
var id=data.getAttribute('data-id'),$=function(name){return document.getElementById(name+id)};
var all=JSON.parse(data.textContent),body=$('ex'),per=50,page=0,hits=all;
function causes(e){return e.e?e.e.map(function(c){return c.u||''}):[e.u||'']}
var text=all.map(function(e){return [e.c,e.k,e.n||'',e.u||''].concat((e.e||[]).map(function(c){return c.n+' '+c.l.join('')+' '+c.r.join('')+' '+(c.u||'')})).join('\n').toLowerCase()});
function options(id,values){Object.keys(values).sort().forEach(function(v){if(!v)return;var o=document.createElement('option');o.value=v;o.textContent=v+' ('+values[v].toLocaleString('en')+')';$(id).appendChild(o)})}
var cls={},cau={};all.forEach(function(e){cls[e.c]=(cls[e.c]||0)+1;var seen={};causes(e).forEach(function(u){if(!seen[u]){seen[u]=1;cau[u]=(cau[u]||0)+1}})});
options('cls',cls);options('cau',cau);
function cell(row,name,value){var td=document.createElement('td');td.className=name;if(typeof value==='string'){td.textContent=value}else if(value){td.appendChild(value)}row.appendChild(td);return td}
function marked(p){var f=document.createDocumentFragment();f.append(p[0]);if(p[1]!==''){var m=document.createElement('mark');m.textContent=p[1];f.append(m)}f.append(p[2]);return f}
function tag(s){var t=document.createElement('span');t.className='tag';t.textContent=s;return t}
function show(){
 var pages=Math.max(1,Math.ceil(hits.length/per));page=Math.min(Math.max(page,0),pages-1);body.textContent='';
 hits.slice(page*per,page*per+per).forEach(function(e){
  if(e.e&&e.e.length){e.e.forEach(function(c,i){var r=document.createElement('tr');cell(r,'',i?null:tag(e.c));cell(r,'key mono',i?'':e.k);cell(r,'name',c.n);cell(r,'l mono',marked(c.l));cell(r,'r mono',marked(c.r));cell(r,'dim',c.u||'');body.appendChild(r)})}
  else{var r=document.createElement('tr');cell(r,'',tag(e.c));cell(r,'key mono',e.k);cell(r,'dim small',e.n||'').colSpan=3;cell(r,'dim',e.u||'');body.appendChild(r)}
 });
 $('at').textContent=hits.length?(page*per+1).toLocaleString('en')+' to '+Math.min(hits.length,page*per+per).toLocaleString('en')+' of '+hits.length.toLocaleString('en'):'none found';
 $('prev').disabled=page===0;$('next').disabled=page>=pages-1;
}
function find(){
 var q=$('q').value.toLowerCase().trim(),c=$('cls').value,u=$('cau').value;
 hits=all.filter(function(e,i){return(!q||text[i].indexOf(q)>=0)&&(!c||e.c===c)&&(!u||causes(e).indexOf(u)>=0)});page=0;show();
}
$('q').addEventListener('input',find);$('cls').addEventListener('change',find);$('cau').addEventListener('change',find);
$('prev').addEventListener('click',function(){page--;show()});$('next').addEventListener('click',function(){page++;show()});
$('tools').hidden=false;show();
return $('q');
}
var searches=[].map.call(document.querySelectorAll('script.data'),list);
document.addEventListener('keydown',function(e){
 if(e.key!=='/'||/INPUT|SELECT/.test(e.target.tagName)||!searches.length)return;
 e.preventDefault();
 var seen=searches.filter(function(q){return q.getBoundingClientRect().bottom>0});
 (seen[0]||searches[searches.length-1]).focus();
});
})();
</script>{{end}}
</main></body></html>
`
)
