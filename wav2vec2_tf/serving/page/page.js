var xn=Object.defineProperty;var Sn=Object.getOwnPropertyDescriptor;var R=(e,t,i,o)=>{for(var r=o>1?void 0:o?Sn(t,i):t,s=e.length-1,n;s>=0;s--)(n=e[s])&&(r=(o?n(t,i,r):n(r))||r);return o&&r&&xn(t,i,r),r};var ce=()=>({checkValidity(e){let t=e.input,i={message:"",isValid:!0,invalidKeys:[]};if(!t)return i;let o=!0;if("checkValidity"in t&&(o=t.checkValidity()),o)return i;if(i.isValid=!1,"validationMessage"in t&&(i.message=t.validationMessage),!("validity"in t))return i.invalidKeys.push("customError"),i;for(let r in t.validity){if(r==="valid")continue;let s=r;t.validity[s]&&i.invalidKeys.push(s)}return i}});var Xe=class extends Event{constructor(){super("wa-invalid",{bubbles:!0,cancelable:!1,composed:!0})}};var Ln=Object.defineProperty,En=Object.getOwnPropertyDescriptor,Bo=e=>{throw TypeError(e)},u=(e,t,i,o)=>{for(var r=o>1?void 0:o?En(t,i):t,s=e.length-1,n;s>=0;s--)(n=e[s])&&(r=(o?n(t,i,r):n(r))||r);return o&&r&&Ln(t,i,r),r},Wo=(e,t,i)=>t.has(e)||Bo("Cannot "+i),No=(e,t,i)=>(Wo(e,t,"read from private field"),i?i.call(e):t.get(e)),Ho=(e,t,i)=>t.has(e)?Bo("Cannot add the same private member more than once"):t instanceof WeakSet?t.add(e):t.set(e,i),Vo=(e,t,i,o)=>(Wo(e,t,"write to private field"),o?o.call(e,i):t.set(e,i),i);var Ye=globalThis,Ke=Ye.ShadowRoot&&(Ye.ShadyCSS===void 0||Ye.ShadyCSS.nativeShadow)&&"adoptedStyleSheets"in Document.prototype&&"replace"in CSSStyleSheet.prototype,Ni=Symbol(),qo=new WeakMap,be=class{constructor(t,i,o){if(this._$cssResult$=!0,o!==Ni)throw Error("CSSResult is not constructable. Use `unsafeCSS` or `css` instead.");this.cssText=t,this.t=i}get styleSheet(){let t=this.o,i=this.t;if(Ke&&t===void 0){let o=i!==void 0&&i.length===1;o&&(t=qo.get(i)),t===void 0&&((this.o=t=new CSSStyleSheet).replaceSync(this.cssText),o&&qo.set(i,t))}return t}toString(){return this.cssText}},Uo=e=>new be(typeof e=="string"?e:e+"",void 0,Ni),I=(e,...t)=>{let i=e.length===1?e[0]:t.reduce((o,r,s)=>o+(n=>{if(n._$cssResult$===!0)return n.cssText;if(typeof n=="number")return n;throw Error("Value passed to 'css' function must be a 'css' function result: "+n+". Use 'unsafeCSS' to pass non-literal values, but take care to ensure page security.")})(r)+e[s+1],e[0]);return new be(i,e,Ni)},jo=(e,t)=>{if(Ke)e.adoptedStyleSheets=t.map(i=>i instanceof CSSStyleSheet?i:i.styleSheet);else for(let i of t){let o=document.createElement("style"),r=Ye.litNonce;r!==void 0&&o.setAttribute("nonce",r),o.textContent=i.cssText,e.appendChild(o)}},Hi=Ke?e=>e:e=>e instanceof CSSStyleSheet?(t=>{let i="";for(let o of t.cssRules)i+=o.cssText;return Uo(i)})(e):e;var{is:kn,defineProperty:An,getOwnPropertyDescriptor:$n,getOwnPropertyNames:zn,getOwnPropertySymbols:_n,getPrototypeOf:Rn}=Object,Ge=globalThis,Xo=Ge.trustedTypes,Pn=Xo?Xo.emptyScript:"",Mn=Ge.reactiveElementPolyfillSupport,ye=(e,t)=>e,Ce={toAttribute(e,t){switch(t){case Boolean:e=e?Pn:null;break;case Object:case Array:e=e==null?e:JSON.stringify(e)}return e},fromAttribute(e,t){let i=e;switch(t){case Boolean:i=e!==null;break;case Number:i=e===null?null:Number(e);break;case Object:case Array:try{i=JSON.parse(e)}catch{i=null}}return i}},Je=(e,t)=>!kn(e,t),Yo={attribute:!0,type:String,converter:Ce,reflect:!1,useDefault:!1,hasChanged:Je};Symbol.metadata??=Symbol("metadata"),Ge.litPropertyMetadata??=new WeakMap;var $t=class extends HTMLElement{static addInitializer(t){this._$Ei(),(this.l??=[]).push(t)}static get observedAttributes(){return this.finalize(),this._$Eh&&[...this._$Eh.keys()]}static createProperty(t,i=Yo){if(i.state&&(i.attribute=!1),this._$Ei(),this.prototype.hasOwnProperty(t)&&((i=Object.create(i)).wrapped=!0),this.elementProperties.set(t,i),!i.noAccessor){let o=Symbol(),r=this.getPropertyDescriptor(t,o,i);r!==void 0&&An(this.prototype,t,r)}}static getPropertyDescriptor(t,i,o){let{get:r,set:s}=$n(this.prototype,t)??{get(){return this[i]},set(n){this[i]=n}};return{get:r,set(n){let a=r?.call(this);s?.call(this,n),this.requestUpdate(t,a,o)},configurable:!0,enumerable:!0}}static getPropertyOptions(t){return this.elementProperties.get(t)??Yo}static _$Ei(){if(this.hasOwnProperty(ye("elementProperties")))return;let t=Rn(this);t.finalize(),t.l!==void 0&&(this.l=[...t.l]),this.elementProperties=new Map(t.elementProperties)}static finalize(){if(this.hasOwnProperty(ye("finalized")))return;if(this.finalized=!0,this._$Ei(),this.hasOwnProperty(ye("properties"))){let i=this.properties,o=[...zn(i),..._n(i)];for(let r of o)this.createProperty(r,i[r])}let t=this[Symbol.metadata];if(t!==null){let i=litPropertyMetadata.get(t);if(i!==void 0)for(let[o,r]of i)this.elementProperties.set(o,r)}this._$Eh=new Map;for(let[i,o]of this.elementProperties){let r=this._$Eu(i,o);r!==void 0&&this._$Eh.set(r,i)}this.elementStyles=this.finalizeStyles(this.styles)}static finalizeStyles(t){let i=[];if(Array.isArray(t)){let o=new Set(t.flat(1/0).reverse());for(let r of o)i.unshift(Hi(r))}else t!==void 0&&i.push(Hi(t));return i}static _$Eu(t,i){let o=i.attribute;return o===!1?void 0:typeof o=="string"?o:typeof t=="string"?t.toLowerCase():void 0}constructor(){super(),this._$Ep=void 0,this.isUpdatePending=!1,this.hasUpdated=!1,this._$Em=null,this._$Ev()}_$Ev(){this._$ES=new Promise(t=>this.enableUpdating=t),this._$AL=new Map,this._$E_(),this.requestUpdate(),this.constructor.l?.forEach(t=>t(this))}addController(t){(this._$EO??=new Set).add(t),this.renderRoot!==void 0&&this.isConnected&&t.hostConnected?.()}removeController(t){this._$EO?.delete(t)}_$E_(){let t=new Map,i=this.constructor.elementProperties;for(let o of i.keys())this.hasOwnProperty(o)&&(t.set(o,this[o]),delete this[o]);t.size>0&&(this._$Ep=t)}createRenderRoot(){let t=this.shadowRoot??this.attachShadow(this.constructor.shadowRootOptions);return jo(t,this.constructor.elementStyles),t}connectedCallback(){this.renderRoot??=this.createRenderRoot(),this.enableUpdating(!0),this._$EO?.forEach(t=>t.hostConnected?.())}enableUpdating(t){}disconnectedCallback(){this._$EO?.forEach(t=>t.hostDisconnected?.())}attributeChangedCallback(t,i,o){this._$AK(t,o)}_$ET(t,i){let o=this.constructor.elementProperties.get(t),r=this.constructor._$Eu(t,o);if(r!==void 0&&o.reflect===!0){let s=(o.converter?.toAttribute!==void 0?o.converter:Ce).toAttribute(i,o.type);this._$Em=t,s==null?this.removeAttribute(r):this.setAttribute(r,s),this._$Em=null}}_$AK(t,i){let o=this.constructor,r=o._$Eh.get(t);if(r!==void 0&&this._$Em!==r){let s=o.getPropertyOptions(r),n=typeof s.converter=="function"?{fromAttribute:s.converter}:s.converter?.fromAttribute!==void 0?s.converter:Ce;this._$Em=r;let a=n.fromAttribute(i,s.type);this[r]=a??this._$Ej?.get(r)??a,this._$Em=null}}requestUpdate(t,i,o,r=!1,s){if(t!==void 0){let n=this.constructor;if(r===!1&&(s=this[t]),o??=n.getPropertyOptions(t),!((o.hasChanged??Je)(s,i)||o.useDefault&&o.reflect&&s===this._$Ej?.get(t)&&!this.hasAttribute(n._$Eu(t,o))))return;this.C(t,i,o)}this.isUpdatePending===!1&&(this._$ES=this._$EP())}C(t,i,{useDefault:o,reflect:r,wrapped:s},n){o&&!(this._$Ej??=new Map).has(t)&&(this._$Ej.set(t,n??i??this[t]),s!==!0||n!==void 0)||(this._$AL.has(t)||(this.hasUpdated||o||(i=void 0),this._$AL.set(t,i)),r===!0&&this._$Em!==t&&(this._$Eq??=new Set).add(t))}async _$EP(){this.isUpdatePending=!0;try{await this._$ES}catch(i){Promise.reject(i)}let t=this.scheduleUpdate();return t!=null&&await t,!this.isUpdatePending}scheduleUpdate(){return this.performUpdate()}performUpdate(){if(!this.isUpdatePending)return;if(!this.hasUpdated){if(this.renderRoot??=this.createRenderRoot(),this._$Ep){for(let[r,s]of this._$Ep)this[r]=s;this._$Ep=void 0}let o=this.constructor.elementProperties;if(o.size>0)for(let[r,s]of o){let{wrapped:n}=s,a=this[r];n!==!0||this._$AL.has(r)||a===void 0||this.C(r,void 0,s,a)}}let t=!1,i=this._$AL;try{t=this.shouldUpdate(i),t?(this.willUpdate(i),this._$EO?.forEach(o=>o.hostUpdate?.()),this.update(i)):this._$EM()}catch(o){throw t=!1,this._$EM(),o}t&&this._$AE(i)}willUpdate(t){}_$AE(t){this._$EO?.forEach(i=>i.hostUpdated?.()),this.hasUpdated||(this.hasUpdated=!0,this.firstUpdated(t)),this.updated(t)}_$EM(){this._$AL=new Map,this.isUpdatePending=!1}get updateComplete(){return this.getUpdateComplete()}getUpdateComplete(){return this._$ES}shouldUpdate(t){return!0}update(t){this._$Eq&&=this._$Eq.forEach(i=>this._$ET(i,this[i])),this._$EM()}updated(t){}firstUpdated(t){}};$t.elementStyles=[],$t.shadowRootOptions={mode:"open"},$t[ye("elementProperties")]=new Map,$t[ye("finalized")]=new Map,Mn?.({ReactiveElement:$t}),(Ge.reactiveElementVersions??=[]).push("2.1.2");var qi=globalThis,Ko=e=>e,Ze=qi.trustedTypes,Go=Ze?Ze.createPolicy("lit-html",{createHTML:e=>e}):void 0,Ui="$lit$",zt=`lit$${Math.random().toFixed(9).slice(2)}$`,ji="?"+zt,On=`<${ji}>`,Xt=document,Se=()=>Xt.createComment(""),Le=e=>e===null||typeof e!="object"&&typeof e!="function",Xi=Array.isArray,ir=e=>Xi(e)||typeof e?.[Symbol.iterator]=="function",Vi=`[ 	
\f\r]`,xe=/<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g,Jo=/-->/g,Zo=/>/g,Ut=RegExp(`>|${Vi}(?:([^\\s"'>=/]+)(${Vi}*=${Vi}*(?:[^ 	
\f\r"'\`<>=]|("|')|))|$)`,"g"),Qo=/'/g,tr=/"/g,or=/^(?:script|style|textarea|title)$/i,Yi=e=>(t,...i)=>({_$litType$:e,strings:t,values:i}),S=Yi(1),rr=Yi(2),sr=Yi(3),rt=Symbol.for("lit-noChange"),H=Symbol.for("lit-nothing"),er=new WeakMap,jt=Xt.createTreeWalker(Xt,129);function nr(e,t){if(!Xi(e)||!e.hasOwnProperty("raw"))throw Error("invalid template strings array");return Go!==void 0?Go.createHTML(t):t}var ar=(e,t)=>{let i=e.length-1,o=[],r,s=t===2?"<svg>":t===3?"<math>":"",n=xe;for(let a=0;a<i;a++){let l=e[a],c,d,h=-1,f=0;for(;f<l.length&&(n.lastIndex=f,d=n.exec(l),d!==null);)f=n.lastIndex,n===xe?d[1]==="!--"?n=Jo:d[1]!==void 0?n=Zo:d[2]!==void 0?(or.test(d[2])&&(r=RegExp("</"+d[2],"g")),n=Ut):d[3]!==void 0&&(n=Ut):n===Ut?d[0]===">"?(n=r??xe,h=-1):d[1]===void 0?h=-2:(h=n.lastIndex-d[2].length,c=d[1],n=d[3]===void 0?Ut:d[3]==='"'?tr:Qo):n===tr||n===Qo?n=Ut:n===Jo||n===Zo?n=xe:(n=Ut,r=void 0);let p=n===Ut&&e[a+1].startsWith("/>")?" ":"";s+=n===xe?l+On:h>=0?(o.push(c),l.slice(0,h)+Ui+l.slice(h)+zt+p):l+zt+(h===-2?a:p)}return[nr(e,s+(e[i]||"<?>")+(t===2?"</svg>":t===3?"</math>":"")),o]},Ee=class e{constructor({strings:t,_$litType$:i},o){let r;this.parts=[];let s=0,n=0,a=t.length-1,l=this.parts,[c,d]=ar(t,i);if(this.el=e.createElement(c,o),jt.currentNode=this.el.content,i===2||i===3){let h=this.el.content.firstChild;h.replaceWith(...h.childNodes)}for(;(r=jt.nextNode())!==null&&l.length<a;){if(r.nodeType===1){if(r.hasAttributes())for(let h of r.getAttributeNames())if(h.endsWith(Ui)){let f=d[n++],p=r.getAttribute(h).split(zt),m=/([.?@])?(.*)/.exec(f);l.push({type:1,index:s,name:m[2],strings:p,ctor:m[1]==="."?ti:m[1]==="?"?ei:m[1]==="@"?ii:Kt}),r.removeAttribute(h)}else h.startsWith(zt)&&(l.push({type:6,index:s}),r.removeAttribute(h));if(or.test(r.tagName)){let h=r.textContent.split(zt),f=h.length-1;if(f>0){r.textContent=Ze?Ze.emptyScript:"";for(let p=0;p<f;p++)r.append(h[p],Se()),jt.nextNode(),l.push({type:2,index:++s});r.append(h[f],Se())}}}else if(r.nodeType===8)if(r.data===ji)l.push({type:2,index:s});else{let h=-1;for(;(h=r.data.indexOf(zt,h+1))!==-1;)l.push({type:7,index:s}),h+=zt.length-1}s++}}static createElement(t,i){let o=Xt.createElement("template");return o.innerHTML=t,o}};function Yt(e,t,i=e,o){if(t===rt)return t;let r=o!==void 0?i._$Co?.[o]:i._$Cl,s=Le(t)?void 0:t._$litDirective$;return r?.constructor!==s&&(r?._$AO?.(!1),s===void 0?r=void 0:(r=new s(e),r._$AT(e,i,o)),o!==void 0?(i._$Co??=[])[o]=r:i._$Cl=r),r!==void 0&&(t=Yt(e,r._$AS(e,t.values),r,o)),t}var Qe=class{constructor(t,i){this._$AV=[],this._$AN=void 0,this._$AD=t,this._$AM=i}get parentNode(){return this._$AM.parentNode}get _$AU(){return this._$AM._$AU}u(t){let{el:{content:i},parts:o}=this._$AD,r=(t?.creationScope??Xt).importNode(i,!0);jt.currentNode=r;let s=jt.nextNode(),n=0,a=0,l=o[0];for(;l!==void 0;){if(n===l.index){let c;l.type===2?c=new de(s,s.nextSibling,this,t):l.type===1?c=new l.ctor(s,l.name,l.strings,this,t):l.type===6&&(c=new oi(s,this,t)),this._$AV.push(c),l=o[++a]}n!==l?.index&&(s=jt.nextNode(),n++)}return jt.currentNode=Xt,r}p(t){let i=0;for(let o of this._$AV)o!==void 0&&(o.strings!==void 0?(o._$AI(t,o,i),i+=o.strings.length-2):o._$AI(t[i])),i++}},de=class e{get _$AU(){return this._$AM?._$AU??this._$Cv}constructor(t,i,o,r){this.type=2,this._$AH=H,this._$AN=void 0,this._$AA=t,this._$AB=i,this._$AM=o,this.options=r,this._$Cv=r?.isConnected??!0}get parentNode(){let t=this._$AA.parentNode,i=this._$AM;return i!==void 0&&t?.nodeType===11&&(t=i.parentNode),t}get startNode(){return this._$AA}get endNode(){return this._$AB}_$AI(t,i=this){t=Yt(this,t,i),Le(t)?t===H||t==null||t===""?(this._$AH!==H&&this._$AR(),this._$AH=H):t!==this._$AH&&t!==rt&&this._(t):t._$litType$!==void 0?this.$(t):t.nodeType!==void 0?this.T(t):ir(t)?this.k(t):this._(t)}O(t){return this._$AA.parentNode.insertBefore(t,this._$AB)}T(t){this._$AH!==t&&(this._$AR(),this._$AH=this.O(t))}_(t){this._$AH!==H&&Le(this._$AH)?this._$AA.nextSibling.data=t:this.T(Xt.createTextNode(t)),this._$AH=t}$(t){let{values:i,_$litType$:o}=t,r=typeof o=="number"?this._$AC(t):(o.el===void 0&&(o.el=Ee.createElement(nr(o.h,o.h[0]),this.options)),o);if(this._$AH?._$AD===r)this._$AH.p(i);else{let s=new Qe(r,this),n=s.u(this.options);s.p(i),this.T(n),this._$AH=s}}_$AC(t){let i=er.get(t.strings);return i===void 0&&er.set(t.strings,i=new Ee(t)),i}k(t){Xi(this._$AH)||(this._$AH=[],this._$AR());let i=this._$AH,o,r=0;for(let s of t)r===i.length?i.push(o=new e(this.O(Se()),this.O(Se()),this,this.options)):o=i[r],o._$AI(s),r++;r<i.length&&(this._$AR(o&&o._$AB.nextSibling,r),i.length=r)}_$AR(t=this._$AA.nextSibling,i){for(this._$AP?.(!1,!0,i);t!==this._$AB;){let o=Ko(t).nextSibling;Ko(t).remove(),t=o}}setConnected(t){this._$AM===void 0&&(this._$Cv=t,this._$AP?.(t))}},Kt=class{get tagName(){return this.element.tagName}get _$AU(){return this._$AM._$AU}constructor(t,i,o,r,s){this.type=1,this._$AH=H,this._$AN=void 0,this.element=t,this.name=i,this._$AM=r,this.options=s,o.length>2||o[0]!==""||o[1]!==""?(this._$AH=Array(o.length-1).fill(new String),this.strings=o):this._$AH=H}_$AI(t,i=this,o,r){let s=this.strings,n=!1;if(s===void 0)t=Yt(this,t,i,0),n=!Le(t)||t!==this._$AH&&t!==rt,n&&(this._$AH=t);else{let a=t,l,c;for(t=s[0],l=0;l<s.length-1;l++)c=Yt(this,a[o+l],i,l),c===rt&&(c=this._$AH[l]),n||=!Le(c)||c!==this._$AH[l],c===H?t=H:t!==H&&(t+=(c??"")+s[l+1]),this._$AH[l]=c}n&&!r&&this.j(t)}j(t){t===H?this.element.removeAttribute(this.name):this.element.setAttribute(this.name,t??"")}},ti=class extends Kt{constructor(){super(...arguments),this.type=3}j(t){this.element[this.name]=t===H?void 0:t}},ei=class extends Kt{constructor(){super(...arguments),this.type=4}j(t){this.element.toggleAttribute(this.name,!!t&&t!==H)}},ii=class extends Kt{constructor(t,i,o,r,s){super(t,i,o,r,s),this.type=5}_$AI(t,i=this){if((t=Yt(this,t,i,0)??H)===rt)return;let o=this._$AH,r=t===H&&o!==H||t.capture!==o.capture||t.once!==o.once||t.passive!==o.passive,s=t!==H&&(o===H||r);r&&this.element.removeEventListener(this.name,this,o),s&&this.element.addEventListener(this.name,this,t),this._$AH=t}handleEvent(t){typeof this._$AH=="function"?this._$AH.call(this.options?.host??this.element,t):this._$AH.handleEvent(t)}},oi=class{constructor(t,i,o){this.element=t,this.type=6,this._$AN=void 0,this._$AM=i,this.options=o}get _$AU(){return this._$AM._$AU}_$AI(t){Yt(this,t)}},lr={M:Ui,P:zt,A:ji,C:1,L:ar,R:Qe,D:ir,V:Yt,I:de,H:Kt,N:ei,U:ii,B:ti,F:oi},Tn=qi.litHtmlPolyfillSupport;Tn?.(Ee,de),(qi.litHtmlVersions??=[]).push("3.3.3");var cr=(e,t,i)=>{let o=i?.renderBefore??t,r=o._$litPart$;if(r===void 0){let s=i?.renderBefore??null;o._$litPart$=r=new de(t.insertBefore(Se(),s),s,void 0,i??{})}return r._$AI(e),r};var Ki=globalThis,tt=class extends $t{constructor(){super(...arguments),this.renderOptions={host:this},this._$Do=void 0}createRenderRoot(){let t=super.createRenderRoot();return this.renderOptions.renderBefore??=t.firstChild,t}update(t){let i=this.render();this.hasUpdated||(this.renderOptions.isConnected=this.isConnected),super.update(t),this._$Do=cr(i,this.renderRoot,this.renderOptions)}connectedCallback(){super.connectedCallback(),this._$Do?.setConnected(!0)}disconnectedCallback(){super.disconnectedCallback(),this._$Do?.setConnected(!1)}render(){return rt}};tt._$litElement$=!0,tt.finalized=!0,Ki.litElementHydrateSupport?.({LitElement:tt});var Dn=Ki.litElementPolyfillSupport;Dn?.({LitElement:tt});(Ki.litElementVersions??=[]).push("4.2.2");var F=e=>(t,i)=>{i!==void 0?i.addInitializer(()=>{customElements.define(e,t)}):customElements.define(e,t)};var Fn={attribute:!0,type:String,converter:Ce,reflect:!1,hasChanged:Je},In=(e=Fn,t,i)=>{let{kind:o,metadata:r}=i,s=globalThis.litPropertyMetadata.get(r);if(s===void 0&&globalThis.litPropertyMetadata.set(r,s=new Map),o==="setter"&&((e=Object.create(e)).wrapped=!0),s.set(i.name,e),o==="accessor"){let{name:n}=i;return{set(a){let l=t.get.call(this);t.set.call(this,a),this.requestUpdate(n,l,e,!0,a)},init(a){return a!==void 0&&this.C(n,void 0,e,a),a}}}if(o==="setter"){let{name:n}=i;return function(a){let l=this[n];t.call(this,a),this.requestUpdate(n,l,e,!0,a)}}throw Error("Unsupported decorator location: "+o)};function g(e){return(t,i)=>typeof i=="object"?In(e,t,i):((o,r,s)=>{let n=r.hasOwnProperty(s);return r.constructor.createProperty(s,o),n?Object.getOwnPropertyDescriptor(r,s):void 0})(e,t,i)}function O(e){return g({...e,state:!0,attribute:!1})}var Dt=(e,t,i)=>(i.configurable=!0,i.enumerable=!0,Reflect.decorate&&typeof t!="object"&&Object.defineProperty(e,t,i),i);function V(e,t){return(i,o,r)=>{let s=n=>n.renderRoot?.querySelector(e)??null;if(t){let{get:n,set:a}=typeof o=="object"?i:r??(()=>{let l=Symbol();return{get(){return this[l]},set(c){this[l]=c}}})();return Dt(i,o,{get(){let l=n.call(this);return l===void 0&&(l=s(this),(l!==null||this.hasUpdated)&&a.call(this,l)),l}})}return Dt(i,o,{get(){return s(this)}})}}var Bn;function dr(e){return(t,i)=>Dt(t,i,{get(){return(this.renderRoot??(Bn??=document.createDocumentFragment())).querySelectorAll(e)}})}var Wn=I`
  :host {
    box-sizing: border-box;
  }

  :host *,
  :host *::before,
  :host *::after {
    box-sizing: inherit;
  }

  [hidden],
  :host([hidden]) {
    display: none !important;
  }
`,Nn=/;\s+$/;function Hn(e){return e.replace(/[A-Z]/g,t=>`-${t.toLowerCase()}`)}function hr(e){let{property:t,value:i,element:o}=e;if(i){let r=o.getAttribute("style")||"";r&&(r.match(Nn)||(r+=";"),r+=" ");let s=`${t}: ${i}`;return r.includes(s)?void 0:`${r}${s};`}return null}var ri,Y=class extends tt{constructor(){super(),Ho(this,ri,!1),this.initialReflectedProperties=new Map,this.didSSR=!!this.shadowRoot,this.customStates={set:(t,i)=>{if(this.internals?.states)try{i?this.internals.states.add(t):this.internals.states.delete(t)}catch(o){if(String(o).includes("must start with '--'"))console.error("Your browser implements an outdated version of CustomStateSet. Consider using a polyfill");else throw o}},has:t=>{if(!this.internals?.states)return!1;try{return this.internals.states.has(t)}catch{return!1}}};try{this.internals=this.attachInternals()}catch{console.error("Element internals are not supported in your browser. Consider using a polyfill")}this.customStates.set("wa-defined",!0);let e=this.constructor;for(let[t,i]of e.elementProperties)i.default==="inherit"&&i.initial!==void 0&&typeof t=="string"&&this.customStates.set(`initial-${t}-${i.initial}`,!0)}static get styles(){let e=Array.isArray(this.css)?this.css:this.css?[this.css]:[];return[Wn,...e]}connectedCallback(){super.connectedCallback(),this.didSSR||this.shadowRoot?.prepend(document.createComment(` Web Awesome: https://webawesome.com/docs/components/${this.localName.replace("wa-","")} `)),this.didSSR&&this.updateComplete.then(()=>{this.shadowRoot?.prepend(document.createComment(` Web Awesome: https://webawesome.com/docs/components/${this.localName.replace("wa-","")} `))})}attributeChangedCallback(e,t,i){No(this,ri)||(this.constructor.elementProperties.forEach((o,r)=>{o.reflect&&this[r]!=null&&this.initialReflectedProperties.set(r,this[r])}),Vo(this,ri,!0)),super.attributeChangedCallback(e,t,i)}willUpdate(e){super.willUpdate(e),this.initialReflectedProperties.forEach((t,i)=>{e.has(i)&&this[i]==null&&(this[i]=t)})}firstUpdated(e){super.firstUpdated(e),this.didSSR&&this.shadowRoot?.querySelectorAll("slot").forEach(t=>{t.dispatchEvent(new Event("slotchange",{bubbles:!0,composed:!1,cancelable:!1}))})}update(e){try{super.update(e)}catch(t){if(this.didSSR&&!this.hasUpdated){let i=new Event("lit-hydration-error",{bubbles:!0,composed:!0,cancelable:!1});i.error=t,this.dispatchEvent(i)}throw t}}setStyle(e,t){if(!this.style){let i=hr({property:Hn(e),value:t,element:this});i&&this.setAttribute("style",i);return}this.style[e]=t}setStyleProperty(e,t){if(!this.style){let i=hr({property:e,value:t,element:this});i&&this.setAttribute("style",i);return}this.style.setProperty(e,t)}relayNativeEvent(e,t){e.stopImmediatePropagation(),this.dispatchEvent(new e.constructor(e.type,{...e,...t}))}};ri=new WeakMap;u([g()],Y.prototype,"dir",2);u([g()],Y.prototype,"lang",2);u([g({type:Boolean,reflect:!0,attribute:"did-ssr"})],Y.prototype,"didSSR",2);var Vn=()=>({observedAttributes:["custom-error"],checkValidity(e){let t={message:"",isValid:!0,invalidKeys:[]};return e.customError&&(t.message=e.customError,t.isValid=!1,t.invalidKeys=["customError"]),t}}),et=class extends Y{constructor(){super(),this.name=null,this.disabled=!1,this.required=!1,this.assumeInteractionOn=["input"],this.validators=[],this.valueHasChanged=!1,this.hasInteracted=!1,this.customError=null,this.emittedEvents=[],this.emitInvalid=e=>{e.target===this&&(this.hasInteracted=!0,this.dispatchEvent(new Xe))},this.handleInteraction=e=>{let t=this.emittedEvents;t.includes(e.type)||t.push(e.type),t.length===this.assumeInteractionOn?.length&&(this.hasInteracted=!0)},"addEventListener"in this&&this.addEventListener("invalid",this.emitInvalid)}static get validators(){return[Vn()]}static get observedAttributes(){let e=new Set(super.observedAttributes||[]);for(let t of this.validators)if(t.observedAttributes)for(let i of t.observedAttributes)e.add(i);return[...e]}connectedCallback(){super.connectedCallback(),this.didSSR&&!this.hasUpdated?this.updateComplete.then(()=>{this.updateValidity()}):this.updateValidity(),this.assumeInteractionOn.forEach(e=>{this.addEventListener?.(e,this.handleInteraction)})}firstUpdated(...e){super.firstUpdated(...e),this.updateValidity()}willUpdate(e){if(!!1&&e.has("customError")&&(this.customError||(this.customError=null),this.setCustomValidity(this.customError||"")),e.has("value")||e.has("disabled")||e.has("defaultValue")){let t=this.value;this.updateFormValue(t)}e.has("disabled")&&(this.customStates.set("disabled",this.disabled),(this.hasAttribute("disabled")||!!1&&!this.matches(":disabled"))&&this.toggleAttribute("disabled",this.disabled)),super.willUpdate(e),this.didSSR&&!this.hasUpdated?this.updateComplete.then(()=>this.updateValidity()):this.updateValidity()}updateFormValue(e){if(Array.isArray(e)){if(this.name){let t=new FormData;for(let i of e)t.append(this.name,i);this.setValue(t,t)}}else this.setValue(e,e)}get labels(){return this.internals.labels}getForm(){return this.internals.form}set form(e){e?this.setAttribute("form",e):this.removeAttribute("form")}get form(){return this.internals.form}get validity(){return this.internals.validity}get willValidate(){return this.internals.willValidate}get validationMessage(){return this.internals.validationMessage}checkValidity(){return this.updateValidity(),this.internals.checkValidity()}reportValidity(){return this.updateValidity(),this.hasInteracted=!0,this.internals.reportValidity()}get validationTarget(){return this.input||void 0}setValidity(...e){let t=e[0],i=e[1],o=e[2];o||(o=this.validationTarget),this.internals.setValidity(t,i,o||void 0),this.requestUpdate("validity"),this.setCustomStates()}setCustomStates(){let e=!!this.required,t=this.internals.validity.valid,i=this.hasInteracted;this.customStates.set("required",e),this.customStates.set("optional",!e),this.customStates.set("invalid",!t),this.customStates.set("valid",t),this.customStates.set("user-invalid",!t&&i),this.customStates.set("user-valid",t&&i)}setCustomValidity(e){if(!e){this.customError=null,this.setValidity({});return}this.customError=e,this.setValidity({customError:!0},e,this.validationTarget)}formResetCallback(){this.resetValidity(),this.hasInteracted=!1,this.valueHasChanged=!1,this.emittedEvents=[],this.updateValidity()}formDisabledCallback(e){this.disabled=e,this.updateValidity()}formStateRestoreCallback(e,t){this.didSSR&&!this.hasUpdated?this.updateComplete.then(()=>{this.value=e,t==="restore"&&this.resetValidity(),this.updateValidity()}):(this.value=e,t==="restore"&&this.resetValidity(),this.updateValidity())}setValue(...e){let[t,i]=e;this.internals.setFormValue(t,i)}get allValidators(){let e=this.constructor.validators||[],t=this.validators||[];return[...e,...t]}resetValidity(){this.setCustomValidity(""),this.setValidity({})}updateValidity(){if(this.disabled||this.hasAttribute("disabled")||!this.willValidate){this.resetValidity();return}let e=this.allValidators;if(!e?.length)return;let t={customError:!!this.customError},i=this.validationTarget||this.input||void 0,o="";for(let r of e){let{isValid:s,message:n,invalidKeys:a}=r.checkValidity(this);s||(o||(o=n),a?.length>=0&&a.forEach(l=>t[l]=!0))}o||(o=this.validationMessage),this.setValidity(t,o,i)}};et.formAssociated=!0;u([g({reflect:!0})],et.prototype,"name",2);u([g({type:Boolean})],et.prototype,"disabled",2);u([g({state:!0,attribute:!1})],et.prototype,"valueHasChanged",2);u([g({state:!0,attribute:!1})],et.prototype,"hasInteracted",2);u([g({attribute:"custom-error",reflect:!0})],et.prototype,"customError",2);u([g({attribute:!1,state:!0,type:Object})],et.prototype,"validity",1);var ur={small:"s",medium:"m",large:"l"},pr=new Set;function ut(e,t){t in ur&&!pr.has(`${e}:${t}`)&&(pr.add(`${e}:${t}`),console.warn(`[${e}] size="${t}" is deprecated. Use size="${ur[t]}" instead. The long-form value will be removed in the next major version.`))}var xt=class{constructor(e,...t){this.slotNames=[],this.handleSlotChange=i=>{let o=i.target;(this.slotNames.includes("[default]")&&!o.name||o.name&&this.slotNames.includes(o.name))&&this.host.requestUpdate()},(this.host=e).addController(this),this.slotNames=t}hasDefaultSlot(){return this.host.childNodes?[...this.host.childNodes].some(e=>{if(e.nodeType===Node.TEXT_NODE&&e.textContent.trim()!=="")return!0;if(e.nodeType===Node.ELEMENT_NODE){let t=e;if(t.tagName.toLowerCase()==="wa-visually-hidden")return!1;if(!t.hasAttribute("slot"))return!0}return!1}):!1}hasNamedSlot(e){return this.host.querySelector?.(`:scope > [slot="${e}"]`)!==null}test(e,t){return t&&this.host.didSSR&&!this.host.hasUpdated?!!this.host[t]:e==="[default]"?this.hasDefaultSlot():this.hasNamedSlot(e)}hostConnected(){let e=this.host.shadowRoot;e&&"addEventListener"in e&&e.addEventListener("slotchange",this.handleSlotChange)}hostDisconnected(){let e=this.host.shadowRoot;e&&"removeEventListener"in e&&e.removeEventListener("slotchange",this.handleSlotChange)}};var pt=I`
  :host([size='xs']) {
    font-size: var(--wa-font-size-xs);
  }

  :host([size='s']),
  :host([size='small']) {
    font-size: var(--wa-font-size-s);
  }

  :host([size='m']),
  :host([size='medium']) {
    font-size: var(--wa-font-size-m);
  }

  :host([size='l']),
  :host([size='large']) {
    font-size: var(--wa-font-size-l);
  }

  :host([size='xl']) {
    font-size: var(--wa-font-size-xl);
  }
`;var mr=I`
  @layer wa-component {
    :host {
      display: inline-block;

      /* Workaround because Chrome doesn't like :host(:has()) below
       * https://issues.chromium.org/issues/40062355
       * Firefox doesn't like this nested rule, so both are needed */
      &:has(wa-badge) {
        position: relative;
      }
    }

    /* Apply relative positioning only when needed to position wa-badge
     * This avoids creating a new stacking context for every button */
    :host(:has(wa-badge)) {
      position: relative;
    }
  }

  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    text-decoration: none;
    user-select: none;
    -webkit-user-select: none;
    white-space: nowrap;
    vertical-align: middle;
    transition-property: background, border, box-shadow, color, opacity, transform;
    transition-duration: var(--wa-transition-fast);
    transition-timing-function: var(--wa-transition-easing);
    transform-origin: center;
    cursor: pointer;
    padding: 0 var(--wa-form-control-padding-inline);
    font-family: inherit;
    font-size: inherit;
    font-weight: var(--wa-font-weight-action);
    height: var(--wa-form-control-height);
    width: 100%;

    background-color: var(--wa-color-fill-loud, var(--wa-color-neutral-fill-loud));

    border-color: transparent;
    color: var(--wa-color-on-loud, var(--wa-color-neutral-on-loud));
    border-start-start-radius: var(--_button-start-start-radius, var(--wa-form-control-border-radius));
    border-start-end-radius: var(--_button-start-end-radius, var(--wa-form-control-border-radius));
    border-end-start-radius: var(--_button-end-start-radius, var(--wa-form-control-border-radius));
    border-end-end-radius: var(--_button-end-end-radius, var(--wa-form-control-border-radius));
    border-style: var(--wa-form-control-border-style);
    border-width: var(--wa-form-control-border-width);
  }

  /* Hover and active transforms */
  .button:not(.disabled):not(.loading) {
    @media (hover: hover) {
      &:hover {
        transform: var(--wa-button-transform-hover);
      }
    }
    &:active {
      transform: var(--wa-button-transform-active);
    }

    @media (prefers-reduced-motion: reduce) {
      &:hover,
      &:active {
        transform: none;
      }
    }
  }

  /* Appearance modifiers */
  :host([appearance='plain']) {
    /* Indentation overrides for grouping */
    margin-inline-start: var(--_button-horizontal-indent);
    margin-block-start: var(--_button-vertical-indent);

    .button {
      color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
      background-color: transparent;
      border-color: transparent;
    }
    @media (hover: hover) {
      .button:not(.disabled):not(.loading):hover {
        color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
        background-color: var(--wa-color-fill-quiet, var(--wa-color-neutral-fill-quiet));
      }
    }
    .button:not(.disabled):not(.loading):active {
      color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
      background-color: color-mix(
        in oklab,
        var(--wa-color-fill-quiet, var(--wa-color-neutral-fill-quiet)),
        var(--wa-color-mix-active)
      );
    }
  }

  :host([appearance='outlined']) {
    /* Indentation overrides for grouping outlined */
    margin-inline-start: var(--_button-horizontal-indent-outlined);
    margin-block-start: var(--_button-vertical-indent-outlined);

    .button {
      color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
      background-color: transparent;
      border-color: var(--wa-color-border-loud, var(--wa-color-neutral-border-loud));
    }
    @media (hover: hover) {
      .button:not(.disabled):not(.loading):hover {
        color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
        background-color: var(--wa-color-fill-quiet, var(--wa-color-neutral-fill-quiet));
      }
    }
    .button:not(.disabled):not(.loading):active {
      color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
      background-color: color-mix(
        in oklab,
        var(--wa-color-fill-quiet, var(--wa-color-neutral-fill-quiet)),
        var(--wa-color-mix-active)
      );
    }
  }

  :host([appearance='filled']) {
    /* Indentation overrides for grouping */
    margin-inline-start: var(--_button-horizontal-indent);
    margin-block-start: var(--_button-vertical-indent);

    .button {
      color: var(--wa-color-on-normal, var(--wa-color-neutral-on-normal));
      background-color: var(--wa-color-fill-normal, var(--wa-color-neutral-fill-normal));
      border-color: transparent;
    }
    @media (hover: hover) {
      .button:not(.disabled):not(.loading):hover {
        color: var(--wa-color-on-normal, var(--wa-color-neutral-on-normal));
        background-color: color-mix(
          in oklab,
          var(--wa-color-fill-normal, var(--wa-color-neutral-fill-normal)),
          var(--wa-color-mix-hover)
        );
      }
    }
    .button:not(.disabled):not(.loading):active {
      color: var(--wa-color-on-normal, var(--wa-color-neutral-on-normal));
      background-color: color-mix(
        in oklab,
        var(--wa-color-fill-normal, var(--wa-color-neutral-fill-normal)),
        var(--wa-color-mix-active)
      );
    }
  }

  :host([appearance='filled-outlined']) {
    /* Indentation overrides for grouping outlined */
    margin-inline-start: var(--_button-horizontal-indent-outlined);
    margin-block-start: var(--_button-vertical-indent-outlined);

    .button {
      color: var(--wa-color-on-normal, var(--wa-color-neutral-on-normal));
      background-color: var(--wa-color-fill-normal, var(--wa-color-neutral-fill-normal));
      border-color: var(--wa-color-border-normal, var(--wa-color-neutral-border-normal));
    }
    @media (hover: hover) {
      .button:not(.disabled):not(.loading):hover {
        color: var(--wa-color-on-normal, var(--wa-color-neutral-on-normal));
        background-color: color-mix(
          in oklab,
          var(--wa-color-fill-normal, var(--wa-color-neutral-fill-normal)),
          var(--wa-color-mix-hover)
        );
      }
    }
    .button:not(.disabled):not(.loading):active {
      color: var(--wa-color-on-normal, var(--wa-color-neutral-on-normal));
      background-color: color-mix(
        in oklab,
        var(--wa-color-fill-normal, var(--wa-color-neutral-fill-normal)),
        var(--wa-color-mix-active)
      );
    }
  }

  :host([appearance='accent']) {
    /* Indentation overrides for grouping */
    margin-inline-start: var(--_button-horizontal-indent);
    margin-block-start: var(--_button-vertical-indent);

    .button {
      color: var(--wa-color-on-loud, var(--wa-color-neutral-on-loud));
      background-color: var(--wa-color-fill-loud, var(--wa-color-neutral-fill-loud));
      border-color: transparent;
    }
    @media (hover: hover) {
      .button:not(.disabled):not(.loading):hover {
        background-color: color-mix(
          in oklab,
          var(--wa-color-fill-loud, var(--wa-color-neutral-fill-loud)),
          var(--wa-color-mix-hover)
        );
      }
    }
    .button:not(.disabled):not(.loading):active {
      background-color: color-mix(
        in oklab,
        var(--wa-color-fill-loud, var(--wa-color-neutral-fill-loud)),
        var(--wa-color-mix-active)
      );
    }
  }

  /* Focus states */
  .button:focus {
    outline: none;
  }

  .button:focus-visible {
    outline: var(--wa-focus-ring);
    outline-offset: var(--wa-focus-ring-offset);
  }

  /* Disabled state */
  :host([disabled]) {
    opacity: 0.5;
    cursor: not-allowed;

    /* When disabled, prevent mouse events from bubbling up from children */
    .button {
      pointer-events: none;
    }
  }

  /* Keep it last so Safari doesn't stop parsing this block */
  .button::-moz-focus-inner {
    border: 0;
  }

  /* Icon buttons */
  .button.is-icon-button {
    outline-offset: 2px;
    width: var(--wa-form-control-height);
    aspect-ratio: 1;
  }

  /* Icon buttons with a caret need to grow to fit both the icon and the caret */
  .button.is-icon-button.caret {
    width: auto;
    aspect-ratio: auto;
    min-width: var(--wa-form-control-height);
  }

  /* Pill modifier */
  :host([pill]) .button {
    border-start-start-radius: var(--_button-start-start-radius, var(--wa-border-radius-pill));
    border-start-end-radius: var(--_button-start-end-radius, var(--wa-border-radius-pill));
    border-end-start-radius: var(--_button-end-start-radius, var(--wa-border-radius-pill));
    border-end-end-radius: var(--_button-end-end-radius, var(--wa-border-radius-pill));
  }

  /*
   * Label
   */

  .start,
  .end {
    flex: 0 0 auto;
    display: flex;
    align-items: center;
    pointer-events: none;
  }

  .label {
    display: inline-block;
  }

  .is-icon-button .label {
    display: flex;
    justify-content: center;
  }

  .label::slotted(wa-icon) {
    align-self: center;
  }

  /*
   * Caret modifier
   */

  wa-icon[part='caret'] {
    display: flex;
    align-self: center;
    align-items: center;

    &::part(svg) {
      width: 0.875em;
      height: 0.875em;
    }

    .button:has(&) .end {
      display: none;
    }
  }

  /*
   * Loading modifier
   */

  .loading {
    position: relative;
    cursor: wait;

    .start,
    .label,
    .end,
    .caret {
      /* Hidden with opacity, not visibility, so the label stays in the accessibility tree */
      opacity: 0;

      /* Unlike visibility: hidden, opacity leaves the content clickable */
      pointer-events: none;
    }

    wa-spinner {
      --indicator-color: currentColor;
      --track-color: color-mix(in oklab, currentColor, transparent 90%);

      position: absolute;
      font-size: 1em;
      height: 1em;
      width: 1em;
      top: calc(50% - 0.5em);
      left: calc(50% - 0.5em);
    }
  }

  /*
   * Badges
   */

  .button ::slotted(wa-badge) {
    border-color: var(--wa-color-surface-default);
    position: absolute;
    inset-block-start: 0;
    inset-inline-end: 0;
    translate: 50% -50%;
    pointer-events: none;
  }

  :host(:dir(rtl)) ::slotted(wa-badge) {
    translate: -50% -50%;
  }

  /*
  * Button spacing
  */

  slot[name='start']::slotted(*) {
    margin-inline-end: 0.75em;
  }

  slot[name='end']::slotted(*),
  .button:not(.visually-hidden-label) [part='caret'] {
    margin-inline-start: 0.75em;
  }
`;var he=I`
  :where(:root),
  .wa-neutral,
  :host([variant='neutral']) {
    --wa-color-fill-loud: var(--wa-color-neutral-fill-loud);
    --wa-color-fill-normal: var(--wa-color-neutral-fill-normal);
    --wa-color-fill-quiet: var(--wa-color-neutral-fill-quiet);
    --wa-color-border-loud: var(--wa-color-neutral-border-loud);
    --wa-color-border-normal: var(--wa-color-neutral-border-normal);
    --wa-color-border-quiet: var(--wa-color-neutral-border-quiet);
    --wa-color-on-loud: var(--wa-color-neutral-on-loud);
    --wa-color-on-normal: var(--wa-color-neutral-on-normal);
    --wa-color-on-quiet: var(--wa-color-neutral-on-quiet);
  }

  .wa-brand,
  :host([variant='brand']) {
    --wa-color-fill-loud: var(--wa-color-brand-fill-loud);
    --wa-color-fill-normal: var(--wa-color-brand-fill-normal);
    --wa-color-fill-quiet: var(--wa-color-brand-fill-quiet);
    --wa-color-border-loud: var(--wa-color-brand-border-loud);
    --wa-color-border-normal: var(--wa-color-brand-border-normal);
    --wa-color-border-quiet: var(--wa-color-brand-border-quiet);
    --wa-color-on-loud: var(--wa-color-brand-on-loud);
    --wa-color-on-normal: var(--wa-color-brand-on-normal);
    --wa-color-on-quiet: var(--wa-color-brand-on-quiet);
  }

  .wa-success,
  :host([variant='success']) {
    --wa-color-fill-loud: var(--wa-color-success-fill-loud);
    --wa-color-fill-normal: var(--wa-color-success-fill-normal);
    --wa-color-fill-quiet: var(--wa-color-success-fill-quiet);
    --wa-color-border-loud: var(--wa-color-success-border-loud);
    --wa-color-border-normal: var(--wa-color-success-border-normal);
    --wa-color-border-quiet: var(--wa-color-success-border-quiet);
    --wa-color-on-loud: var(--wa-color-success-on-loud);
    --wa-color-on-normal: var(--wa-color-success-on-normal);
    --wa-color-on-quiet: var(--wa-color-success-on-quiet);
  }

  .wa-warning,
  :host([variant='warning']) {
    --wa-color-fill-loud: var(--wa-color-warning-fill-loud);
    --wa-color-fill-normal: var(--wa-color-warning-fill-normal);
    --wa-color-fill-quiet: var(--wa-color-warning-fill-quiet);
    --wa-color-border-loud: var(--wa-color-warning-border-loud);
    --wa-color-border-normal: var(--wa-color-warning-border-normal);
    --wa-color-border-quiet: var(--wa-color-warning-border-quiet);
    --wa-color-on-loud: var(--wa-color-warning-on-loud);
    --wa-color-on-normal: var(--wa-color-warning-on-normal);
    --wa-color-on-quiet: var(--wa-color-warning-on-quiet);
  }

  .wa-danger,
  :host([variant='danger']) {
    --wa-color-fill-loud: var(--wa-color-danger-fill-loud);
    --wa-color-fill-normal: var(--wa-color-danger-fill-normal);
    --wa-color-fill-quiet: var(--wa-color-danger-fill-quiet);
    --wa-color-border-loud: var(--wa-color-danger-border-loud);
    --wa-color-border-normal: var(--wa-color-danger-border-normal);
    --wa-color-border-quiet: var(--wa-color-danger-border-quiet);
    --wa-color-on-loud: var(--wa-color-danger-on-loud);
    --wa-color-on-normal: var(--wa-color-danger-on-normal);
    --wa-color-on-quiet: var(--wa-color-danger-on-quiet);
  }
`;function X(e,t){let i={waitUntilFirstUpdate:!1,...t};return(o,r)=>{let{update:s}=o,n=Array.isArray(e)?e:[e];o.update=function(a){n.forEach(l=>{let c=l;if(a.has(c)){let d=a.get(c),h=this[c];d!==h&&(!i.waitUntilFirstUpdate||this.hasUpdated)&&this[r](d,h)}}),s.call(this,a)}}}var Gi=new Set,ue=new Map,_t,Ji="ltr",Zi="en",fr=typeof MutationObserver<"u"&&typeof document<"u"&&typeof document.documentElement<"u";if(fr){let e=new MutationObserver(gr);Ji=document.documentElement.dir||"ltr",Zi=document.documentElement.lang||navigator.language,e.observe(document.documentElement,{attributes:!0,attributeFilter:["dir","lang"]})}function ke(...e){e.map(t=>{let i=t.$code.toLowerCase();ue.has(i)?ue.set(i,Object.assign(Object.assign({},ue.get(i)),t)):ue.set(i,t),_t||(_t=t)}),gr()}function gr(){fr&&(Ji=document.documentElement.dir||"ltr",Zi=document.documentElement.lang||navigator.language),[...Gi.keys()].map(e=>{typeof e.requestUpdate=="function"&&e.requestUpdate()})}var si=class{constructor(t){this.host=t,this.host.addController(this)}hostConnected(){Gi.add(this.host)}hostDisconnected(){Gi.delete(this.host)}dir(){return`${this.host.dir||Ji}`.toLowerCase()}lang(){let t=`${this.host.lang||Zi}`.toLowerCase().replace(/_/g,"-");try{return new Intl.Locale(t),t}catch{return _t?_t.$code.toLowerCase():"en"}}getTranslationData(t){var i,o;let r;try{r=new Intl.Locale(t.replace(/_/g,"-"))}catch{return{locale:void 0,language:"",region:"",primary:void 0,secondary:void 0}}let s=r.language.toLowerCase(),n=(o=(i=r.region)===null||i===void 0?void 0:i.toLowerCase())!==null&&o!==void 0?o:"",a=ue.get(`${s}-${n}`),l=ue.get(s);return{locale:r,language:s,region:n,primary:a,secondary:l}}exists(t,i){var o;let{primary:r,secondary:s}=this.getTranslationData((o=i.lang)!==null&&o!==void 0?o:this.lang());return i=Object.assign({includeFallback:!1},i),!!(r&&r[t]||s&&s[t]||i.includeFallback&&_t&&_t[t])}term(t,...i){let{primary:o,secondary:r}=this.getTranslationData(this.lang()),s;if(o&&o[t])s=o[t];else if(r&&r[t])s=r[t];else if(_t&&_t[t])s=_t[t];else return console.error(`No translation found for: ${String(t)}`),String(t);return typeof s=="function"?s(...i):s}date(t,i){return t=new Date(t),new Intl.DateTimeFormat(this.lang(),i).format(t)}number(t,i){return t=Number(t),isNaN(t)?"":new Intl.NumberFormat(this.lang(),i).format(t)}relativeTime(t,i,o){return new Intl.RelativeTimeFormat(this.lang(),o).format(t,i)}};var vr={$code:"en",$name:"English",$dir:"ltr",allTagsRemoved:"All tags removed",am:"AM",autosizeColumn:"Autosize column",captions:"Captions",carousel:"Carousel",chooseDate:"Choose date",chooseDecade:"Choose decade",chooseMonth:"Choose month",chooseTime:"Choose time",chooseYear:"Choose year",clearEntry:"Clear entry",clearFilter:"Clear filter",clearSort:"Clear sort",close:"Close",closeCalendar:"Close calendar",closeTimeInput:"Close time picker",collapseRow:"Collapse row",columnMenu:"Column options",columnMovedToPosition:(e,t,i)=>`${e} moved to position ${t} of ${i}`,columns:"Columns",compactPageXOfY:(e,t)=>`${e} of ${t}`,completed:"Completed",copied:"Copied",copy:"Copy",createOption:e=>`Create "${e}"`,currentlyPlaying:"currently playing",currentValue:"Current value",date:"Date",datePickerKeyboardHelp:"Use arrow keys to change values; press Alt+Down Arrow to open the calendar.",day:"Day",dayPeriod:"AM/PM",decrement:"Decrement",deselectAllRows:"Deselect all rows",disabled:"Disabled",dropFileHere:"Drop file here or click to browse",dropFilesHere:"Drop files here or click to browse",empty:"Empty",endDate:"End date",enterFullscreen:"Enter fullscreen",error:"Error",exitFullscreen:"Exit fullscreen",expandRow:"Expand row",filterByColumn:e=>`Filter by ${e}`,filterFrom:"From",filterMax:"Max",filterMin:"Min",filterTo:"To",firstPage:"First page",goToSlide:(e,t)=>`Go to slide ${e} of ${t}`,hideColumn:"Hide column",hidePassword:"Hide password",hour:"Hour",incompleteDate:"Enter a valid date.",increment:"Increment",jumpBackwardX:e=>`Jump back ${e} pages`,jumpForwardX:e=>`Jump forward ${e} pages`,lastPage:"Last page",loading:"Loading",locked:"Locked",minute:"Minute",month:"Month",moreOptions:"More Options",mute:"Mute",nextDecade:"Next decade",nextMonth:"Next month",nextPage:"Next page",nextSlide:"Next slide",nextVideo:"Next Video",nextYear:"Next year",noData:"No data",noOptions:"No options",noResults:"No matching results",notCompleted:"Not completed",now:"Now",numCharacters:e=>e===1?"1 character":`${e} characters`,numCharactersRemaining:e=>e===1?"1 character remaining":`${e} characters remaining`,numOptionsAvailable:e=>e===0?"No options available":e===1?"1 option available":`${e} options available`,numOptionsSelected:e=>e===0?"No options selected":e===1?"1 option selected":`${e} options selected`,numRowsCopied:e=>e===1?"1 row copied":`${e} rows copied`,numRowsSelected:e=>e===1?"1 row selected":`${e} rows selected`,optionPosition:(e,t,i)=>`${e}, ${t} of ${i}`,optionsLoadError:"Options could not be loaded",pageXOfY:(e,t)=>`Page ${e} of ${t}`,pagination:"Pagination",pause:"Pause",pauseAnimation:"Pause animation",pictureInPicture:"Picture in picture",pinLeft:"Pin left",pinRight:"Pin right",play:"Play",playAnimation:"Play animation",playbackSpeed:"Playback speed",playlist:"Playlist",pm:"PM",previousDecade:"Previous decade",previousMonth:"Previous month",previousPage:"Previous page",previousSlide:"Previous slide",previousVideo:"Previous video",previousYear:"Previous year",progress:"Progress",rangeTooLong:e=>e===1?"Select a range no longer than 1 day":`Select a range no longer than ${e} days`,rangeTooShort:e=>e===1?"Select a range at least 1 day long":`Select a range at least ${e} days long`,readonly:"Read-only",remove:"Remove",resetColumns:"Reset columns",resize:"Resize",resizeColumn:"Resize column",rowsPerPage:"Rows per page",scrollableRegion:"Scrollable region",scrollToEnd:"Scroll to end",scrollToStart:"Scroll to start",search:"Search",second:"Second",seek:"Seek",seekProgress:(e,t)=>`${e} of ${t}`,selectAColorFromTheScreen:"Select a color from the screen",selectAllRows:"Select all rows",selected:"Selected",selectedDateLabel:e=>`Selected: ${e}`,selectedRangeLabel:e=>`Selected range: ${e}`,selectGroup:"Select group",selectionCleared:"Selection cleared",selectRow:"Select row",showingNofMRows:(e,t)=>`Showing ${e} of ${t} rows`,showingXtoYofZ:(e,t,i)=>`${e}\u2013${t} of ${i}`,showPassword:"Show password",slideNum:e=>`Slide ${e}`,sortAscending:"Sort ascending",sortColumn:"Sort column",sortDescending:"Sort descending",startDate:"Start date",steps:"Steps",stepXOfY:(e,t)=>`Step ${e} of ${t}`,tagAdded:e=>`${e} added`,tagAlreadyAdded:e=>`${e} is already added`,tagInputKeyboardHelp:"Press Backspace or Delete to remove this tag.",tagRemoved:e=>`${e} removed`,time:"Time",timeInputKeyboardHelp:"Use arrow keys to change values; press Alt+Down Arrow to open the time picker.",today:"Today",toggleColorFormat:"Toggle color format",tooFewTags:e=>e===1?"Add at least 1 tag":`Add at least ${e} tags`,tooManyTags:e=>e===1?"Add no more than 1 tag":`Add no more than ${e} tags`,unmute:"Unmute",unpin:"Unpin",unpinColumn:"Unpin column",videoPlayer:"Video player",volume:"Volume",year:"Year",zoomIn:"Zoom in",zoomOut:"Zoom out"};ke(vr);var wr=vr;var K=class extends si{lang(){return this.host.didSSR&&!this.host.hasUpdated?this.host.lang||"en":super.lang()}};ke(wr);var ft={ATTRIBUTE:1,CHILD:2,PROPERTY:3,BOOLEAN_ATTRIBUTE:4,EVENT:5,ELEMENT:6},pe=e=>(...t)=>({_$litDirective$:e,values:t}),Ft=class{constructor(t){}get _$AU(){return this._$AM._$AU}_$AT(t,i,o){this._$Ct=t,this._$AM=i,this._$Ci=o}_$AS(t,i){return this.update(t,i)}update(t,i){return this.render(...i)}};var it=pe(class extends Ft{constructor(e){if(super(e),e.type!==ft.ATTRIBUTE||e.name!=="class"||e.strings?.length>2)throw Error("`classMap()` can only be used in the `class` attribute and must be the only part in the attribute.")}render(e){return" "+Object.keys(e).filter(t=>e[t]).join(" ")+" "}update(e,[t]){if(this.st===void 0){this.st=new Set,e.strings!==void 0&&(this.nt=new Set(e.strings.join(" ").split(/\s/).filter(o=>o!=="")));for(let o in t)t[o]&&!this.nt?.has(o)&&this.st.add(o);return this.render(t)}let i=e.element.classList;for(let o of this.st)o in t||(i.remove(o),this.st.delete(o));for(let o in t){let r=!!t[o];r===this.st.has(o)||this.nt?.has(o)||(r?(i.add(o),this.st.add(o)):(i.remove(o),this.st.delete(o)))}return rt}});var B=e=>e??H;var yr=Symbol.for(""),qn=e=>{if(e?.r===yr)return e?._$litStatic$};var Qi=(e,...t)=>({_$litStatic$:t.reduce((i,o,r)=>i+(s=>{if(s._$litStatic$!==void 0)return s._$litStatic$;throw Error(`Value passed to 'literal' function must be a 'literal' result: ${s}. Use 'unsafeStatic' to pass non-literal values, but
            take care to ensure page security.`)})(o)+e[r+1],e[0]),r:yr}),br=new Map,to=e=>(t,...i)=>{let o=i.length,r,s,n=[],a=[],l,c=0,d=!1;for(;c<o;){for(l=t[c];c<o&&(s=i[c],(r=qn(s))!==void 0);)l+=r+t[++c],d=!0;c!==o&&a.push(s),n.push(l),c++}if(c===o&&n.push(t[o]),d){let h=n.join("$$lit$$");(t=br.get(h))===void 0&&(n.raw=n,br.set(h,t=n)),i=a}return e(t,...i)},ni=to(S),Jc=to(rr),Zc=to(sr);var T=class extends et{constructor(){super(...arguments),this.assumeInteractionOn=["click"],this.hasSlotController=new xt(this,"[default]","start","end"),this.localize=new K(this),this.invalid=!1,this.isIconButton=!1,this.title="",this.variant="neutral",this.appearance="accent",this.size="m",this.withCaret=!1,this.withStart=!1,this.withEnd=!1,this.disabled=!1,this.loading=!1,this.pill=!1,this.type="button"}static get validators(){return[...super.validators,ce()]}handleSizeChange(){ut(this.localName,this.size)}constructLightDOMButton(){let e=document.createElement("button");for(let t of this.attributes)t.name!=="style"&&e.setAttribute(t.name,t.value);return e.type=this.type,e.style.position="absolute !important",e.style.width="0 !important",e.style.height="0 !important",e.style.clipPath="inset(50%) !important",e.style.overflow="hidden !important",e.style.whiteSpace="nowrap !important",this.name&&(e.name=this.name),e.value=this.value||"",e}handleClick(e){if(this.disabled||this.loading){e.preventDefault(),e.stopImmediatePropagation();return}if(this.type!=="submit"&&this.type!=="reset"||!this.getForm())return;let i=this.constructLightDOMButton();this.parentElement?.append(i),i.click(),i.remove()}handleInvalid(){this.dispatchEvent(new Xe)}handleLabelSlotChange(){let e=this.labelSlot.assignedNodes({flatten:!0}),t=!1,i=!1,o=!1,r=!1;[...e].forEach(s=>{if(s.nodeType===Node.ELEMENT_NODE){let n=s;n.localName==="wa-icon"?(i=!0,t||(t=n.label!==void 0)):r=!0}else s.nodeType===Node.TEXT_NODE&&(s.textContent?.trim()||"").length>0&&(o=!0)}),this.isIconButton=i&&!o&&!r,this.customStates.set("icon-button",this.isIconButton),this.isIconButton&&!t&&console.warn('Icon buttons must have a label for screen readers. Add <wa-icon label="..."> to remove this warning.',this)}isButton(){return!this.href}isLink(){return!!this.href}handleDisabledChange(){this.customStates.set("disabled",this.disabled),this.updateValidity()}handleHrefChange(){this.customStates.set("link",this.isLink())}handleLoadingChange(){this.customStates.set("loading",this.loading)}setValue(...e){}click(){this.button.click()}focus(e){this.button.focus(e)}blur(){this.button.blur()}render(){let e=this.isLink(),t=e?Qi`a`:Qi`button`;return ni`
      <${t}
        part="base button"
        class=${it({button:!0,caret:this.withCaret,disabled:this.disabled,loading:this.loading,rtl:this.localize.dir()==="rtl","has-label":this.hasSlotController.test("[default]"),"has-start":this.hasSlotController.test("start","withStart"),"has-end":this.hasSlotController.test("end","withEnd"),"is-icon-button":this.isIconButton})}
        ?disabled=${B(e?void 0:this.disabled)}
        type=${B(e?void 0:this.type)}
        title=${this.title}
        name=${B(e?void 0:this.name)}
        value=${B(e?void 0:this.value)}
        href=${B(e?this.href:void 0)}
        target=${B(e?this.target:void 0)}
        download=${B(e?this.download:void 0)}
        rel=${B(e&&this.rel?this.rel:void 0)}
        role=${B(e?void 0:"button")}
        aria-disabled=${B(e&&this.disabled?"true":void 0)}
        aria-busy=${this.loading?"true":"false"}
        tabindex=${this.disabled?"-1":"0"}
        @invalid=${this.isButton()?this.handleInvalid:null}
        @click=${this.handleClick}
      >
        <slot name="start" part="start" class="start"></slot>
        <slot part="label" class="label" @slotchange=${this.handleLabelSlotChange}></slot>
        <slot name="end" part="end" class="end"></slot>
        ${this.withCaret?ni`
                <wa-icon part="caret" class="caret" library="system" name="chevron-down" variant="solid"></wa-icon>
              `:""}
        ${this.loading?ni`<wa-spinner part="spinner"></wa-spinner>`:""}
      </${t}>
    `}};T.shadowRootOptions={...et.shadowRootOptions,delegatesFocus:!0};T.css=[mr,he,pt];u([V(".button")],T.prototype,"button",2);u([V("slot:not([name])")],T.prototype,"labelSlot",2);u([O()],T.prototype,"invalid",2);u([O()],T.prototype,"isIconButton",2);u([g()],T.prototype,"title",2);u([g({reflect:!0})],T.prototype,"variant",2);u([g({reflect:!0})],T.prototype,"appearance",2);u([g({reflect:!0})],T.prototype,"size",2);u([X("size")],T.prototype,"handleSizeChange",1);u([g({attribute:"with-caret",type:Boolean,reflect:!0})],T.prototype,"withCaret",2);u([g({attribute:"with-start",type:Boolean})],T.prototype,"withStart",2);u([g({attribute:"with-end",type:Boolean})],T.prototype,"withEnd",2);u([g({type:Boolean})],T.prototype,"disabled",2);u([g({type:Boolean,reflect:!0})],T.prototype,"loading",2);u([g({type:Boolean,reflect:!0})],T.prototype,"pill",2);u([g()],T.prototype,"type",2);u([g({reflect:!0})],T.prototype,"name",2);u([g({reflect:!0})],T.prototype,"value",2);u([g({reflect:!0})],T.prototype,"href",2);u([g()],T.prototype,"target",2);u([g()],T.prototype,"rel",2);u([g()],T.prototype,"download",2);u([g({attribute:"formaction"})],T.prototype,"formAction",2);u([g({attribute:"formenctype"})],T.prototype,"formEnctype",2);u([g({attribute:"formmethod"})],T.prototype,"formMethod",2);u([g({attribute:"formnovalidate",type:Boolean})],T.prototype,"formNoValidate",2);u([g({attribute:"formtarget"})],T.prototype,"formTarget",2);u([X("disabled",{waitUntilFirstUpdate:!0})],T.prototype,"handleDisabledChange",1);u([X("href")],T.prototype,"handleHrefChange",1);u([X("loading",{waitUntilFirstUpdate:!0})],T.prototype,"handleLoadingChange",1);T=u([F("wa-button")],T);T.disableWarning?.("change-in-update");var Cr=I`
  :host {
    --track-width: 2px;
    --track-color: var(--wa-color-neutral-fill-normal);
    --indicator-color: var(--wa-color-brand-fill-loud);
    --speed: 2s;
    --size: 1em;

    /*
      Resizing a spinner element using anything but font-size will break the animation because the animation uses em
      units. Therefore, if a spinner is used in a flex container without \`flex: none\` applied, the spinner can
      grow/shrink and break the animation. The use of \`flex: none\` on the host element prevents this by always having
      the spinner sized according to its actual dimensions.
    */
    flex: none;
    display: inline-flex;
    width: var(--size);
    height: var(--size);
  }

  svg {
    width: 100%;
    height: 100%;
    aspect-ratio: 1;
    animation: spin var(--speed) linear infinite;
  }

  .track,
  .indicator {
    --radius: calc(var(--size) / 2 - var(--track-width) / 2);
    --circumference: calc(var(--radius) * 2 * 3.141592654);

    cx: calc(var(--size) / 2);
    cy: calc(var(--size) / 2);
    r: var(--radius);
    fill: none;
    stroke-width: var(--track-width);
  }

  .track {
    stroke: var(--track-color);
  }

  .indicator {
    stroke: var(--indicator-color);
    stroke-linecap: round;
    stroke-dasharray: calc(0.597 * var(--circumference)), calc(0.796 * var(--circumference));
    stroke-dashoffset: calc(-0.04 * var(--circumference));
    animation: dash 1.5s ease-in-out infinite;
  }

  @keyframes spin {
    0% {
      transform: rotate(0deg);
    }
    100% {
      transform: rotate(360deg);
    }
  }

  @keyframes dash {
    0% {
      stroke-dasharray: calc(0.008 * var(--circumference)), calc(1.194 * var(--circumference));
      stroke-dashoffset: 0;
    }
    50% {
      stroke-dasharray: calc(0.716 * var(--circumference)), calc(1.194 * var(--circumference));
      stroke-dashoffset: calc(-0.278 * var(--circumference));
    }
    100% {
      stroke-dasharray: calc(0.716 * var(--circumference)), calc(1.194 * var(--circumference));
      stroke-dashoffset: calc(-0.987 * var(--circumference));
    }
  }
`;var eo=class extends Y{constructor(){super(...arguments),this.localize=new K(this)}render(){return S`
      <svg
        part="base spinner"
        role="progressbar"
        aria-label=${this.localize.term("loading")}
        fill="none"
        xmlns="http://www.w3.org/2000/svg"
      >
        <circle class="track" />
        <circle class="indicator" />
      </svg>
    `}};eo.css=Cr;eo=u([F("wa-spinner")],eo);var xr=class extends Event{constructor(){super("wa-error",{bubbles:!0,cancelable:!1,composed:!0})}};var Sr=class extends Event{constructor(){super("wa-load",{bubbles:!0,cancelable:!1,composed:!0})}};var Lr=I`
  :host {
    --primary-color: currentColor;
    --primary-opacity: 1;
    --secondary-color: currentColor;
    --secondary-opacity: 0.4;
    --rotate-angle: 0deg;

    box-sizing: content-box;
    display: inline-flex;
    align-items: center;
    justify-content: center;
    vertical-align: -0.125em;
  }

  /* #region Canvas — the box the icon is centered within (mirrors Font Awesome's icon canvas). Orthogonal to font-size. */

  /* Fixed width (default): 1.25em × 1em (20 × 16px) */
  :host(:not([canvas])),
  :host([canvas='fixed']) {
    width: 1.25em;
    height: 1em;
    min-width: 1.25em; /* <-- this is what Safari respects for intrinsic */
    min-height: 1em;
  }

  /* Auto: hug the icon's width. \`auto-width\` is the deprecated alias for canvas="auto". */
  :host([canvas='auto']),
  :host([auto-width]:not([canvas])) {
    width: auto;
    height: 1em;
  }

  /* Square: 1.25em × 1.25em (20 × 20px) */
  :host([canvas='square']) {
    width: 1.25em;
    height: 1.25em;
    min-width: 1.25em;
    min-height: 1.25em;
  }

  /* Roomy: 1.5em × 1.5em (24 × 24px) */
  :host([canvas='roomy']) {
    width: 1.5em;
    height: 1.5em;
    min-width: 1.5em;
    min-height: 1.5em;
  }

  /* #endregion */

  svg {
    /* NOTE: Avoid setting fill here. A stylesheet rule beats SVG presentation attributes, breaking stroke-based
       libraries like Lucide (fill="none" stroke="currentColor") and attribute-based mutators (issue #1733). The default
       library applies fill="currentColor" in its mutator instead. */
    height: 1em;
    overflow: visible;
    width: auto;

    /* Duotone colors with path-specific opacity fallback */
    path[data-duotone-primary] {
      color: var(--primary-color);
      opacity: var(--path-opacity, var(--primary-opacity));
    }

    path[data-duotone-secondary] {
      color: var(--secondary-color);
      opacity: var(--path-opacity, var(--secondary-opacity));
    }
  }

  /* Rotation */
  :host([rotate]) {
    transform: rotate(var(--rotate-angle, 0deg));
  }

  /* Flipping */
  :host([flip='x']) {
    transform: scaleX(-1);
  }
  :host([flip='y']) {
    transform: scaleY(-1);
  }
  :host([flip='both']) {
    transform: scale(-1, -1);
  }

  /* Rotation and Flipping combined */
  :host([rotate][flip='x']) {
    transform: rotate(var(--rotate-angle, 0deg)) scaleX(-1);
  }
  :host([rotate][flip='y']) {
    transform: rotate(var(--rotate-angle, 0deg)) scaleY(-1);
  }
  :host([rotate][flip='both']) {
    transform: rotate(var(--rotate-angle, 0deg)) scale(-1, -1);
  }

  /* #region Animations — ported from Font Awesome 7.3 (--fa-* props mapped to wa-icon's --* names) */

  :host([animation='beat']) {
    animation-name: beat;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 1s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-in-out);
  }

  :host([animation='bounce']) {
    animation-name: bounce;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 1s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, cubic-bezier(0.28, 0.84, 0.42, 1));
  }

  :host([animation='fade']) {
    animation-name: fade;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 1s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-in-out);
  }

  :host([animation='beat-fade']) {
    animation-name: beat-fade;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 1s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-in-out);
  }

  :host([animation='flip']) {
    animation-name: flip;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 1.5s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-in-out);
  }

  :host([animation='flip-360']) {
    animation-name: flip-360;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 1s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-in-out);
  }

  :host([animation='shake']) {
    animation-name: shake;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 0.75s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-in-out);
  }

  :host([animation='spin']) {
    animation-name: spin;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 2s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, linear);
  }

  :host([animation='spin-pulse']) {
    animation-name: spin;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 1s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, steps(8));
  }

  /* spin-reverse is FA's reverse modifier expressed as a standalone value; reverse any spin via --animation-direction: reverse */
  :host([animation='spin-reverse']) {
    animation-name: spin;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, reverse);
    animation-duration: var(--animation-duration, 2s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, linear);
  }

  :host([animation='spin-snap']) {
    animation-name: spin-snap;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 3s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, linear);
  }

  :host([animation='spin-snap-4']) {
    animation-name: spin-snap-4;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 2.4s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, linear);
  }

  :host([animation='spin-snap-8']) {
    animation-name: spin-snap-8;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 4s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, linear);
  }

  :host([animation='buzz']) {
    animation-name: buzz;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 0.6s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, linear);
  }

  :host([animation='wag']) {
    animation-name: wag;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 0.9s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-out);
    transform-origin: bottom center;
  }

  :host([animation='float']) {
    animation-name: float;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 3s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-in-out);
    will-change: transform;
  }

  :host([animation='swing']) {
    animation-name: swing;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 1.2s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-out);
    transform-origin: top center;
  }

  :host([animation='jello']) {
    animation-name: jello;
    animation-delay: var(--animation-delay, 0s);
    animation-direction: var(--animation-direction, normal);
    animation-duration: var(--animation-duration, 0.9s);
    animation-iteration-count: var(--animation-iteration-count, infinite);
    animation-timing-function: var(--animation-timing, ease-out);
  }

  @media (prefers-reduced-motion: reduce) {
    :host([animation='beat']),
    :host([animation='bounce']),
    :host([animation='fade']),
    :host([animation='beat-fade']),
    :host([animation='flip']),
    :host([animation='flip-360']),
    :host([animation='shake']),
    :host([animation='spin']),
    :host([animation='spin-pulse']),
    :host([animation='spin-reverse']),
    :host([animation='spin-snap']),
    :host([animation='spin-snap-4']),
    :host([animation='spin-snap-8']),
    :host([animation='buzz']),
    :host([animation='wag']),
    :host([animation='float']),
    :host([animation='swing']),
    :host([animation='jello']) {
      animation: none !important;
      transition: none !important;
    }
  }

  /* #endregion */

  /* #region Keyframes — ported verbatim from Font Awesome 7.3 */

  @keyframes beat {
    0% {
      transform: scale(1);
    }
    25% {
      transform: scale(calc(1.25 * var(--beat-scale, 1.25)));
    }
    45% {
      transform: scale(calc(1.22 * var(--beat-scale, 1.22)));
    }
    65% {
      transform: scale(calc(1.25 * var(--beat-scale, 1.25)));
    }
    90% {
      transform: scale(1);
    }
  }

  @keyframes bounce {
    0% {
      transform: scale(1, 1) translateY(0);
      /* No fallback by design (ported from FA 7.3): the first segment uses the user's --animation-timing or the CSS
         initial ease, while the explicit cubic-beziers on later stops drive the bounce physics. */
      animation-timing-function: var(--animation-timing);
    }
    14% {
      transform: scale(var(--bounce-start-scale-x, 1.06), var(--bounce-start-scale-y, 0.94))
        translateY(var(--bounce-anticipation, 3px));
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 0.33);
    }
    32% {
      transform: scale(var(--bounce-jump-scale-x, 0.94), var(--bounce-jump-scale-y, 1.12))
        translateY(calc(-1 * var(--bounce-height, 0.5em)));
      animation-timing-function: cubic-bezier(0.33, 0.66, 0.66, 1);
    }
    52% {
      transform: scale(1, 1) translateY(calc(-1 * var(--bounce-height, 0.5em) * 1.1));
      animation-timing-function: cubic-bezier(0.5, 0, 1, 0.5);
    }
    70% {
      transform: scale(var(--bounce-land-scale-x, 1.06), var(--bounce-land-scale-y, 0.92)) translateY(0);
      animation-timing-function: cubic-bezier(0.33, 0.33, 0.66, 1);
    }
    85% {
      transform: scale(0.98, 1.04) translateY(calc(-2px * var(--bounce-rebound, 1)));
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 1);
    }
    100% {
      transform: scale(1, 1) translateY(0);
    }
  }

  @keyframes fade {
    0% {
      opacity: 1;
      transform: scale(1);
      animation-timing-function: cubic-bezier(0.2, 0, 0.4, 1);
    }
    40% {
      opacity: var(--fade-opacity, 0.4);
      transform: scale(0.98);
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    100% {
      opacity: 1;
      transform: scale(1);
    }
  }

  @keyframes beat-fade {
    0% {
      opacity: var(--beat-fade-opacity, 0.4);
      transform: scale(1);
      animation-timing-function: cubic-bezier(0.2, 0, 0.4, 1);
    }
    25% {
      opacity: calc(var(--beat-fade-opacity, 0.4) + 0.4);
      transform: scale(var(--beat-fade-scale, 1.28));
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    45% {
      opacity: 1;
      transform: scale(var(--beat-fade-scale, 1.25));
      animation-timing-function: cubic-bezier(0.4, 0, 0.2, 1);
    }
    65% {
      opacity: calc(var(--beat-fade-opacity, 0.4) + 0.4);
      transform: scale(var(--beat-fade-scale, 1.28));
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    100% {
      opacity: var(--beat-fade-opacity, 0.4);
      transform: scale(1);
    }
  }

  @keyframes flip {
    0% {
      transform: perspective(2em) scale(1) rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), 0deg);
      animation-timing-function: cubic-bezier(0.2, 0, 0.4, 1);
    }
    8% {
      transform: perspective(2em) scale(var(--flip-anticipation-scale, 0.95))
        rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), 0deg);
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 0.33);
    }
    35% {
      transform: perspective(2em) scale(1)
        rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), calc(var(--flip-angle, -360deg) * 0.6));
      animation-timing-function: linear;
    }
    65% {
      transform: perspective(2em) scale(1)
        rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), calc(var(--flip-angle, -360deg) * 0.5));
      animation-timing-function: cubic-bezier(0.33, 0.66, 0.66, 1);
    }
    92% {
      transform: perspective(2em) scale(1)
        rotate3d(
          var(--flip-x, 0),
          var(--flip-y, 1),
          var(--flip-z, 0),
          calc(var(--flip-angle, -360deg) * var(--flip-overshoot, 1.04))
        );
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 1);
    }
    100% {
      transform: perspective(2em) scale(1)
        rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), var(--flip-angle, -360deg));
    }
  }

  @keyframes flip-360 {
    0% {
      transform: perspective(2em) scale(1) rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), 0deg);
      animation-timing-function: cubic-bezier(0.2, 0, 0.4, 1);
    }
    8% {
      transform: perspective(2em) scale(var(--flip-anticipation-scale, 0.95))
        rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), 0deg);
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 0.33);
    }
    50% {
      transform: perspective(2em) scale(1)
        rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), calc(var(--flip-angle, -360deg) * 0.6));
      animation-timing-function: cubic-bezier(0.33, 0.66, 0.66, 1);
    }
    80% {
      transform: perspective(2em) scale(1)
        rotate3d(
          var(--flip-x, 0),
          var(--flip-y, 1),
          var(--flip-z, 0),
          calc(var(--flip-angle, -360deg) * var(--flip-overshoot, 1.04))
        );
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 1);
    }
    100% {
      transform: perspective(2em) scale(1)
        rotate3d(var(--flip-x, 0), var(--flip-y, 1), var(--flip-z, 0), var(--flip-angle, -360deg));
    }
  }

  @keyframes shake {
    0% {
      transform: rotate(0deg);
      animation-timing-function: cubic-bezier(0.2, 0, 0.8, 1);
    }
    8% {
      transform: rotate(35deg) translateX(1px);
      animation-timing-function: cubic-bezier(0.3, 0, 0.7, 1);
    }
    20% {
      transform: rotate(-22deg) translateX(-1px);
      animation-timing-function: cubic-bezier(0.3, 0, 0.7, 1);
    }
    35% {
      transform: rotate(15deg) translateX(1px);
      animation-timing-function: cubic-bezier(0.3, 0, 0.7, 1);
    }
    50% {
      transform: rotate(-9deg);
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    65% {
      transform: rotate(5deg);
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    78% {
      transform: rotate(-3deg);
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    90% {
      transform: rotate(1deg);
      animation-timing-function: cubic-bezier(0.4, 0, 0.2, 1);
    }
    100% {
      transform: rotate(0deg);
    }
  }

  @keyframes spin {
    0% {
      transform: rotate(0deg);
    }
    100% {
      transform: rotate(360deg);
    }
  }

  @keyframes spin-snap {
    0% {
      transform: rotate(0deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    12% {
      transform: rotate(60deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    16.67% {
      transform: rotate(60deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    28.67% {
      transform: rotate(120deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    33.33% {
      transform: rotate(120deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    45.33% {
      transform: rotate(180deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    50% {
      transform: rotate(180deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    62% {
      transform: rotate(240deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    66.67% {
      transform: rotate(240deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    78.67% {
      transform: rotate(300deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    83.33% {
      transform: rotate(300deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    95.33% {
      transform: rotate(360deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    100% {
      transform: rotate(360deg);
    }
  }

  @keyframes spin-snap-4 {
    0% {
      transform: rotate(0deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    15% {
      transform: rotate(90deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    25% {
      transform: rotate(90deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    40% {
      transform: rotate(180deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    50% {
      transform: rotate(180deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    65% {
      transform: rotate(270deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    75% {
      transform: rotate(270deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    90% {
      transform: rotate(360deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    100% {
      transform: rotate(360deg);
    }
  }

  @keyframes spin-snap-8 {
    0% {
      transform: rotate(0deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    9% {
      transform: rotate(45deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    12.5% {
      transform: rotate(45deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    21.5% {
      transform: rotate(90deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    25% {
      transform: rotate(90deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    34% {
      transform: rotate(135deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    37.5% {
      transform: rotate(135deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    46.5% {
      transform: rotate(180deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    50% {
      transform: rotate(180deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    59% {
      transform: rotate(225deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    62.5% {
      transform: rotate(225deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    71.5% {
      transform: rotate(270deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    75% {
      transform: rotate(270deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    84% {
      transform: rotate(315deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    87.5% {
      transform: rotate(315deg);
      animation-timing-function: cubic-bezier(0, 0, 0.2, 1);
    }
    96.5% {
      transform: rotate(360deg);
      animation-timing-function: cubic-bezier(0.8, 0, 1, 1);
    }
    100% {
      transform: rotate(360deg);
    }
  }

  @keyframes buzz {
    0% {
      transform: translateX(0) rotate(0deg);
      animation-timing-function: cubic-bezier(0.1, 0, 0.9, 1);
    }
    5% {
      transform: translateX(var(--buzz-distance, 4px)) rotate(0.5deg);
    }
    10% {
      transform: translateX(calc(-1 * var(--buzz-distance, 4px))) rotate(-0.5deg);
    }
    15% {
      transform: translateX(var(--buzz-distance, 4px)) rotate(0.3deg);
    }
    20% {
      transform: translateX(calc(-1 * var(--buzz-distance, 4px))) rotate(-0.3deg);
    }
    25% {
      transform: translateX(calc(var(--buzz-distance, 4px) * 0.7)) rotate(0.2deg);
    }
    30% {
      transform: translateX(calc(-1 * var(--buzz-distance, 4px) * 0.7)) rotate(-0.2deg);
    }
    35% {
      transform: translateX(calc(var(--buzz-distance, 4px) * 0.4)) rotate(0.1deg);
    }
    40% {
      transform: translateX(0) rotate(0deg);
    }
    100% {
      transform: translateX(0) rotate(0deg);
    }
  }

  @keyframes wag {
    0% {
      transform: rotate(0deg);
      animation-timing-function: cubic-bezier(0.2, 0, 0.6, 1);
    }
    12% {
      transform: rotate(var(--wag-angle, 12deg));
      animation-timing-function: cubic-bezier(0.4, 0, 0.2, 1);
    }
    24% {
      transform: rotate(2deg);
      animation-timing-function: cubic-bezier(0.2, 0, 0.6, 1);
    }
    36% {
      transform: rotate(calc(var(--wag-angle, 12deg) * 0.85));
      animation-timing-function: cubic-bezier(0.4, 0, 0.2, 1);
    }
    48% {
      transform: rotate(1deg);
      animation-timing-function: cubic-bezier(0.2, 0, 0.6, 1);
    }
    58% {
      transform: rotate(calc(var(--wag-angle, 12deg) * 0.6));
      animation-timing-function: cubic-bezier(0.4, 0, 0.2, 1);
    }
    68% {
      transform: rotate(0deg);
    }
    100% {
      transform: rotate(0deg);
    }
  }

  @keyframes float {
    0% {
      transform: translateY(0) translateX(0) rotate(0deg)
        scale(var(--float-squash-x, 1.02), var(--float-squash-y, 0.98));
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 0.33);
    }
    15% {
      transform: translateY(calc(-0.4 * var(--float-height, 6px))) translateX(var(--float-drift, 1px))
        rotate(var(--float-tilt, 1deg)) scale(1, 1);
      animation-timing-function: cubic-bezier(0.33, 0.66, 0.66, 1);
    }
    35% {
      transform: translateY(calc(-1 * var(--float-height, 6px))) translateX(0) rotate(0deg)
        scale(var(--float-stretch-x, 0.98), var(--float-stretch-y, 1.03));
      animation-timing-function: cubic-bezier(0.5, 0, 0.5, 0);
    }
    50% {
      transform: translateY(calc(-0.92 * var(--float-height, 6px))) translateX(calc(-0.5 * var(--float-drift, 1px)))
        rotate(calc(-0.5 * var(--float-tilt, 1deg))) scale(0.995, 1.01);
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 0.33);
    }
    70% {
      transform: translateY(calc(-0.3 * var(--float-height, 6px))) translateX(calc(-1 * var(--float-drift, 1px)))
        rotate(calc(-1 * var(--float-tilt, 1deg))) scale(1, 1);
      animation-timing-function: cubic-bezier(0.33, 0.66, 0.66, 1);
    }
    90% {
      transform: translateY(calc(0.05 * var(--float-height, 6px))) translateX(0) rotate(0deg)
        scale(var(--float-squash-x, 1.02), var(--float-squash-y, 0.98));
      animation-timing-function: cubic-bezier(0.33, 0, 0.66, 1);
    }
    100% {
      transform: translateY(0) translateX(0) rotate(0deg)
        scale(var(--float-squash-x, 1.02), var(--float-squash-y, 0.98));
    }
  }

  @keyframes swing {
    0% {
      transform: rotate(0deg);
      animation-timing-function: cubic-bezier(0.2, 0, 0.8, 1);
    }
    8% {
      transform: rotate(var(--swing-angle, 22deg));
      animation-timing-function: cubic-bezier(0.3, 0, 0.7, 1);
    }
    18% {
      transform: rotate(calc(-1 * var(--swing-angle, 22deg) * 0.85));
      animation-timing-function: cubic-bezier(0.3, 0, 0.7, 1);
    }
    28% {
      transform: rotate(calc(var(--swing-angle, 22deg) * 0.65));
      animation-timing-function: cubic-bezier(0.35, 0, 0.65, 1);
    }
    38% {
      transform: rotate(calc(-1 * var(--swing-angle, 22deg) * 0.45));
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    48% {
      transform: rotate(calc(var(--swing-angle, 22deg) * 0.25));
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    56% {
      transform: rotate(calc(-1 * var(--swing-angle, 22deg) * 0.1));
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    64% {
      transform: rotate(0deg);
    }
    100% {
      transform: rotate(0deg);
    }
  }

  @keyframes jello {
    0% {
      transform: scale(1, 1);
      animation-timing-function: cubic-bezier(0.2, 0, 0.8, 1);
    }
    12% {
      transform: scale(var(--jello-scale-x, 1.15), calc(2 - var(--jello-scale-x, 1.15)));
      animation-timing-function: cubic-bezier(0.3, 0, 0.7, 1);
    }
    24% {
      transform: scale(calc(2 - var(--jello-scale-y, 1.12)), var(--jello-scale-y, 1.12));
      animation-timing-function: cubic-bezier(0.3, 0, 0.7, 1);
    }
    36% {
      transform: scale(
        calc(1 + (var(--jello-scale-x, 1.15) - 1) * 0.5),
        calc(2 - (1 + (var(--jello-scale-x, 1.15) - 1) * 0.5))
      );
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    48% {
      transform: scale(
        calc(2 - (1 + (var(--jello-scale-y, 1.12) - 1) * 0.3)),
        calc(1 + (var(--jello-scale-y, 1.12) - 1) * 0.3)
      );
      animation-timing-function: cubic-bezier(0.4, 0, 0.6, 1);
    }
    58% {
      transform: scale(1.02, 0.98);
      animation-timing-function: cubic-bezier(0.4, 0, 0.2, 1);
    }
    68% {
      transform: scale(1, 1);
    }
    100% {
      transform: scale(1, 1);
    }
  }

  /* #endregion */
`;var Un="",io="";function Er(){return Un.replace(/\/$/,"")}function jn(e){io=e}function kr(){if(!io){let e=document.querySelector("[data-fa-kit-code]");e&&jn(e.getAttribute("data-fa-kit-code")||"")}return io}var Ar="7.3.0";function Xn(e,t,i){let o="solid";return t==="chisel"&&(o="chisel-regular"),t==="etch"&&(o="etch-solid"),t==="graphite"&&(o="graphite-thin"),t==="jelly"&&(o="jelly-regular",i==="duo-regular"&&(o="jelly-duo-regular"),i==="fill-regular"&&(o="jelly-fill-regular")),t==="jelly-duo"&&(o="jelly-duo-regular"),t==="jelly-fill"&&(o="jelly-fill-regular"),t==="notdog"&&(i==="solid"&&(o="notdog-solid"),i==="duo-solid"&&(o="notdog-duo-solid")),t==="notdog-duo"&&(o="notdog-duo-solid"),t==="slab"&&((i==="solid"||i==="regular")&&(o="slab-regular"),i==="press-regular"&&(o="slab-press-regular")),t==="slab-press"&&(o="slab-press-regular"),t==="slab-duo"&&(o="slab-duo-regular"),t==="slab-press-duo"&&(o="slab-press-duo-regular"),t==="thumbprint"&&(o="thumbprint-light"),t==="utility"&&(o="utility-semibold"),t==="utility-duo"&&(o="utility-duo-semibold"),t==="utility-fill"&&(o="utility-fill-semibold"),t==="whiteboard"&&(o="whiteboard-semibold"),t==="mosaic"&&(o="mosaic-solid"),t==="pixel"&&(o="pixel-regular"),t==="vellum"&&(o="vellum-solid"),t==="classic"&&(i==="thin"&&(o="thin"),i==="light"&&(o="light"),i==="regular"&&(o="regular"),i==="solid"&&(o="solid")),t==="duotone"&&(i==="thin"&&(o="duotone-thin"),i==="light"&&(o="duotone-light"),i==="regular"&&(o="duotone-regular"),i==="solid"&&(o="duotone")),t==="sharp"&&(i==="thin"&&(o="sharp-thin"),i==="light"&&(o="sharp-light"),i==="regular"&&(o="sharp-regular"),i==="solid"&&(o="sharp-solid")),t==="sharp-duotone"&&(i==="thin"&&(o="sharp-duotone-thin"),i==="light"&&(o="sharp-duotone-light"),i==="regular"&&(o="sharp-duotone-regular"),i==="solid"&&(o="sharp-duotone-solid")),t==="brands"&&(o="brands"),o}function Yn(e,t,i){let o=Xn(e,t,i),r=Er();if(r)return`${r}/${o}/${e}.svg`;let s=kr();return s.length>0?`https://ka-p.fontawesome.com/releases/v${Ar}/svgs/${o}/${e}.svg?token=${encodeURIComponent(s)}`:`https://ka-f.fontawesome.com/releases/v${Ar}/svgs/${o}/${e}.svg`}var Kn={name:"default",resolver:(e,t="classic",i="solid")=>Yn(e,t,i),mutator:(e,t)=>{if(e.hasAttribute("fill")||e.setAttribute("fill","currentColor"),t?.family&&!e.hasAttribute("data-duotone-initialized")){let{family:i,variant:o}=t;if(i==="duotone"||i==="sharp-duotone"||i==="notdog-duo"||i==="notdog"&&o==="duo-solid"||i==="jelly-duo"||i==="jelly"&&o==="duo-regular"||i==="utility-duo"||i==="slab-duo"||i==="slab-press-duo"||i==="thumbprint"){let r=[...e.querySelectorAll("path")],s=r.find(a=>!a.hasAttribute("opacity")),n=r.find(a=>a.hasAttribute("opacity"));if(!s||!n)return;if(s.setAttribute("data-duotone-primary",""),n.setAttribute("data-duotone-secondary",""),t.swapOpacity&&s&&n){let a=n.getAttribute("opacity")||"0.4";s.style.setProperty("--path-opacity",a),n.style.setProperty("--path-opacity","1")}e.setAttribute("data-duotone-initialized","")}}}},$r=Kn;function Gn(e){return`data:image/svg+xml,${encodeURIComponent(e)}`}var oo={solid:{"arrow-down":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 384 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M169.4 502.6c12.5 12.5 32.8 12.5 45.3 0l160-160c12.5-12.5 12.5-32.8 0-45.3s-32.8-12.5-45.3 0L224 402.7 224 32c0-17.7-14.3-32-32-32s-32 14.3-32 32l0 370.7-105.4-105.4c-12.5-12.5-32.8-12.5-45.3 0s-12.5 32.8 0 45.3l160 160z"/></svg>',"arrow-up":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 384 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M214.6 9.4c-12.5-12.5-32.8-12.5-45.3 0l-160 160c-12.5 12.5-12.5 32.8 0 45.3s32.8 12.5 45.3 0L160 109.3 160 480c0 17.7 14.3 32 32 32s32-14.3 32-32l0-370.7 105.4 105.4c12.5 12.5 32.8 12.5 45.3 0s12.5-32.8 0-45.3l-160-160z"/></svg>',backward:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M236.3 107.1C247.9 96 265 92.9 279.7 99.2C294.4 105.5 304 120 304 136L304 272.3L476.3 107.2C487.9 96 505 92.9 519.7 99.2C534.4 105.5 544 120 544 136L544 504C544 520 534.4 534.5 519.7 540.8C505 547.1 487.9 544 476.3 532.9L304 367.7L304 504C304 520 294.4 534.5 279.7 540.8C265 547.1 247.9 544 236.3 532.9L44.3 348.9C36.5 341.3 32 330.9 32 320C32 309.1 36.5 298.7 44.3 291.1L236.3 107.1z"/></svg>',"backward-step":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M491 100.8C478.1 93.8 462.3 94.5 450 102.6L192 272.1L192 128C192 110.3 177.7 96 160 96C142.3 96 128 110.3 128 128L128 512C128 529.7 142.3 544 160 544C177.7 544 192 529.7 192 512L192 367.9L450 537.5C462.3 545.6 478 546.3 491 539.3C504 532.3 512 518.8 512 504.1L512 136.1C512 121.4 503.9 107.9 491 100.9z"/></svg>',bars:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--! Font Awesome Free 7.3.1 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free (Icons: CC BY 4.0, Fonts: SIL OFL 1.1, Code: MIT License) Copyright 2026 Fonticons, Inc. --><path d="M0 96C0 78.3 14.3 64 32 64l384 0c17.7 0 32 14.3 32 32s-14.3 32-32 32L32 128C14.3 128 0 113.7 0 96zM0 256c0-17.7 14.3-32 32-32l384 0c17.7 0 32 14.3 32 32s-14.3 32-32 32L32 288c-17.7 0-32-14.3-32-32zM448 416c0 17.7-14.3 32-32 32L32 448c-17.7 0-32-14.3-32-32s14.3-32 32-32l384 0c17.7 0 32 14.3 32 32z"/></svg>',"angles-left":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M77.3 256 214.7 118.6c12.5-12.5 12.5-32.8 0-45.3s-32.8-12.5-45.3 0l-160 160c-12.5 12.5-12.5 32.8 0 45.3l160 160c12.5 12.5 32.8 12.5 45.3 0s12.5-32.8 0-45.3L77.3 256zm192 0L406.7 118.6c12.5-12.5 12.5-32.8 0-45.3s-32.8-12.5-45.3 0l-160 160c-12.5 12.5-12.5 32.8 0 45.3l160 160c12.5 12.5 32.8 12.5 45.3 0s12.5-32.8 0-45.3L269.3 256z"/></svg>',"angles-right":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M434.7 256 297.3 118.6c-12.5-12.5-12.5-32.8 0-45.3s32.8-12.5 45.3 0l160 160c12.5 12.5 12.5 32.8 0 45.3l-160 160c-12.5 12.5-32.8 12.5-45.3 0s-12.5-32.8 0-45.3L434.7 256zm-192 0L105.3 118.6c-12.5-12.5-12.5-32.8 0-45.3s32.8-12.5 45.3 0l160 160c12.5 12.5 12.5 32.8 0 45.3l-160 160c-12.5 12.5-32.8 12.5-45.3 0s-12.5-32.8 0-45.3L242.7 256z"/></svg>',check:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M434.8 70.1c14.3 10.4 17.5 30.4 7.1 44.7l-256 352c-5.5 7.6-14 12.3-23.4 13.1s-18.5-2.7-25.1-9.3l-128-128c-12.5-12.5-12.5-32.8 0-45.3s32.8-12.5 45.3 0l101.5 101.5 234-321.7c10.4-14.3 30.4-17.5 44.7-7.1z"/></svg>',"chevron-down":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M201.4 406.6c12.5 12.5 32.8 12.5 45.3 0l192-192c12.5-12.5 12.5-32.8 0-45.3s-32.8-12.5-45.3 0L224 338.7 54.6 169.4c-12.5-12.5-32.8-12.5-45.3 0s-12.5 32.8 0 45.3l192 192z"/></svg>',"chevron-left":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M9.4 233.4c-12.5 12.5-12.5 32.8 0 45.3l192 192c12.5 12.5 32.8 12.5 45.3 0s12.5-32.8 0-45.3L77.3 256 246.6 86.6c12.5-12.5 12.5-32.8 0-45.3s-32.8-12.5-45.3 0l-192 192z"/></svg>',"chevron-right":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M311.1 233.4c12.5 12.5 12.5 32.8 0 45.3l-192 192c-12.5 12.5-32.8 12.5-45.3 0s-12.5-32.8 0-45.3L243.2 256 73.9 86.6c-12.5-12.5-12.5-32.8 0-45.3s32.8-12.5 45.3 0l192 192z"/></svg>',circle:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M0 256a256 256 0 1 1 512 0 256 256 0 1 1 -512 0z"/></svg>',"closed-captioning":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M64 192C64 156.7 92.7 128 128 128L512 128C547.3 128 576 156.7 576 192L576 448C576 483.3 547.3 512 512 512L128 512C92.7 512 64 483.3 64 448L64 192zM216 272L248 272C252.4 272 256 275.6 256 280C256 293.3 266.7 304 280 304C293.3 304 304 293.3 304 280C304 249.1 278.9 224 248 224L216 224C185.1 224 160 249.1 160 280L160 360C160 390.9 185.1 416 216 416L248 416C278.9 416 304 390.9 304 360C304 346.7 293.3 336 280 336C266.7 336 256 346.7 256 360C256 364.4 252.4 368 248 368L216 368C211.6 368 208 364.4 208 360L208 280C208 275.6 211.6 272 216 272zM384 280C384 275.6 387.6 272 392 272L424 272C428.4 272 432 275.6 432 280C432 293.3 442.7 304 456 304C469.3 304 480 293.3 480 280C480 249.1 454.9 224 424 224L392 224C361.1 224 336 249.1 336 280L336 360C336 390.9 361.1 416 392 416L424 416C454.9 416 480 390.9 480 360C480 346.7 469.3 336 456 336C442.7 336 432 346.7 432 360C432 364.4 428.4 368 424 368L392 368C387.6 368 384 364.4 384 360L384 280z"/></svg>',"closed-captioning-slash":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M39 39.1C48.4 29.7 63.6 29.7 72.9 39.1L161.8 128L512 128C547.3 128 576 156.7 576 192L576 448C576 473.5 561.1 495.4 539.6 505.8L601 567.1C610.4 576.5 610.4 591.7 601 601C591.6 610.3 576.4 610.4 567.1 601L39 73.1C29.7 63.7 29.7 48.5 39 39.1zM384 350.1L384 279.9C384 275.5 387.6 271.9 392 271.9L424 271.9C428.4 271.9 432 275.5 432 279.9C432 293.2 442.7 303.9 456 303.9C469.3 303.9 480 293.2 480 279.9C480 249 454.9 223.9 424 223.9L392 223.9C361.1 223.9 336 249 336 279.9L336 302.1L384 350.1zM445.5 411.6C465.7 403.2 480 383.2 480 359.9C480 346.6 469.3 335.9 456 335.9C442.7 335.9 432 346.6 432 359.9C432 364.3 428.4 367.9 424 367.9L401.8 367.9L445.5 411.6zM162.3 264.1C160.8 269.1 160 274.5 160 280L160 360C160 390.9 185.1 416 216 416L248 416C266.1 416 282.1 407.5 292.4 394.2L410.2 512L128 512C92.7 512 64 483.3 64 448L64 192C64 184.2 65.4 176.7 68 169.8L162.3 264.1zM256.1 357.9C256 358.6 256 359.3 256 360C256 364.4 252.4 368 248 368L216 368C211.6 368 208 364.4 208 360L208 309.8L256.1 357.9z"/></svg>',compress:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M160 64c0-17.7-14.3-32-32-32S96 46.3 96 64l0 64-64 0c-17.7 0-32 14.3-32 32s14.3 32 32 32l96 0c17.7 0 32-14.3 32-32l0-96zM32 320c-17.7 0-32 14.3-32 32s14.3 32 32 32l64 0 0 64c0 17.7 14.3 32 32 32s32-14.3 32-32l0-96c0-17.7-14.3-32-32-32l-96 0zM352 64c0-17.7-14.3-32-32-32s-32 14.3-32 32l0 96c0 17.7 14.3 32 32 32l96 0c17.7 0 32-14.3 32-32s-14.3-32-32-32l-64 0 0-64zM320 320c-17.7 0-32 14.3-32 32l0 96c0 17.7 14.3 32 32 32s32-14.3 32-32l0-64 64 0c17.7 0 32-14.3 32-32s-14.3-32-32-32l-96 0z"/></svg>',ellipsis:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.3.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M96 320C96 289.1 121.1 264 152 264C182.9 264 208 289.1 208 320C208 350.9 182.9 376 152 376C121.1 376 96 350.9 96 320zM264 320C264 289.1 289.1 264 320 264C350.9 264 376 289.1 376 320C376 350.9 350.9 376 320 376C289.1 376 264 350.9 264 320zM488 264C518.9 264 544 289.1 544 320C544 350.9 518.9 376 488 376C457.1 376 432 350.9 432 320C432 289.1 457.1 264 488 264z"/></svg>',"ellipsis-vertical":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M320 208C289.1 208 264 182.9 264 152C264 121.1 289.1 96 320 96C350.9 96 376 121.1 376 152C376 182.9 350.9 208 320 208zM320 432C350.9 432 376 457.1 376 488C376 518.9 350.9 544 320 544C289.1 544 264 518.9 264 488C264 457.1 289.1 432 320 432zM376 320C376 350.9 350.9 376 320 376C289.1 376 264 350.9 264 320C264 289.1 289.1 264 320 264C350.9 264 376 289.1 376 320z"/></svg>',expand:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 96C110.3 96 96 110.3 96 128L96 224C96 241.7 110.3 256 128 256C145.7 256 160 241.7 160 224L160 160L224 160C241.7 160 256 145.7 256 128C256 110.3 241.7 96 224 96L128 96zM160 416C160 398.3 145.7 384 128 384C110.3 384 96 398.3 96 416L96 512C96 529.7 110.3 544 128 544L224 544C241.7 544 256 529.7 256 512C256 494.3 241.7 480 224 480L160 480L160 416zM416 96C398.3 96 384 110.3 384 128C384 145.7 398.3 160 416 160L480 160L480 224C480 241.7 494.3 256 512 256C529.7 256 544 241.7 544 224L544 128C544 110.3 529.7 96 512 96L416 96zM544 416C544 398.3 529.7 384 512 384C494.3 384 480 398.3 480 416L480 480L416 480C398.3 480 384 494.3 384 512C384 529.7 398.3 544 416 544L512 544C529.7 544 544 529.7 544 512L544 416z"/></svg>',eyedropper:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M341.6 29.2l-101.6 101.6-9.4-9.4c-12.5-12.5-32.8-12.5-45.3 0s-12.5 32.8 0 45.3l160 160c12.5 12.5 32.8 12.5 45.3 0s12.5-32.8 0-45.3l-9.4-9.4 101.6-101.6c39-39 39-102.2 0-141.1s-102.2-39-141.1 0zM55.4 323.3c-15 15-23.4 35.4-23.4 56.6l0 42.4-26.6 39.9c-8.5 12.7-6.8 29.6 4 40.4s27.7 12.5 40.4 4l39.9-26.6 42.4 0c21.2 0 41.6-8.4 56.6-23.4l109.4-109.4-45.3-45.3-109.4 109.4c-3 3-7.1 4.7-11.3 4.7l-36.1 0 0-36.1c0-4.2 1.7-8.3 4.7-11.3l109.4-109.4-45.3-45.3-109.4 109.4z"/></svg>',filter:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M32 64C19.1 64 7.4 71.8 2.4 83.8S.2 109.5 9.4 118.6L192 301.3 192 416c0 8.5 3.4 16.6 9.4 22.6l64 64c9.2 9.2 22.9 11.9 34.9 6.9S320 492.9 320 480l0-178.7 182.6-182.6c9.2-9.2 11.9-22.9 6.9-34.9S492.9 64 480 64L32 64z"/></svg>',forward:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M403.7 107.1C392.1 96 375 92.9 360.3 99.2C345.6 105.5 336 120 336 136L336 272.3L163.7 107.2C152.1 96 135 92.9 120.3 99.2C105.6 105.5 96 120 96 136L96 504C96 520 105.6 534.5 120.3 540.8C135 547.1 152.1 544 163.7 532.9L336 367.7L336 504C336 520 345.6 534.5 360.3 540.8C375 547.1 392.1 544 403.7 532.9L595.7 348.9C603.6 341.4 608 330.9 608 320C608 309.1 603.5 298.7 595.7 291.1L403.7 107.1z"/></svg>',file:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M192 64C156.7 64 128 92.7 128 128L128 512C128 547.3 156.7 576 192 576L448 576C483.3 576 512 547.3 512 512L512 234.5C512 217.5 505.3 201.2 493.3 189.2L386.7 82.7C374.7 70.7 358.5 64 341.5 64L192 64zM453.5 240L360 240C346.7 240 336 229.3 336 216L336 122.5L453.5 240z"/></svg>',"file-audio":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 128C128 92.7 156.7 64 192 64L341.5 64C358.5 64 374.8 70.7 386.8 82.7L493.3 189.3C505.3 201.3 512 217.6 512 234.6L512 512C512 547.3 483.3 576 448 576L192 576C156.7 576 128 547.3 128 512L128 128zM336 122.5L336 216C336 229.3 346.7 240 360 240L453.5 240L336 122.5zM389.8 307.7C380.7 301.4 368.3 303.6 362 312.7C355.7 321.8 357.9 334.2 367 340.5C390.9 357.2 406.4 384.8 406.4 416C406.4 447.2 390.8 474.9 367 491.5C357.9 497.8 355.7 510.3 362 519.3C368.3 528.3 380.8 530.6 389.8 524.3C423.9 500.5 446.4 460.8 446.4 416C446.4 371.2 424 331.5 389.8 307.7zM208 376C199.2 376 192 383.2 192 392L192 440C192 448.8 199.2 456 208 456L232 456L259.2 490C262.2 493.8 266.8 496 271.7 496L272 496C280.8 496 288 488.8 288 480L288 352C288 343.2 280.8 336 272 336L271.7 336C266.8 336 262.2 338.2 259.2 342L232 376L208 376zM336 448.2C336 458.9 346.5 466.4 354.9 459.8C367.8 449.5 376 433.7 376 416C376 398.3 367.8 382.5 354.9 372.2C346.5 365.5 336 373.1 336 383.8L336 448.3z"/></svg>',"file-code":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 128C128 92.7 156.7 64 192 64L341.5 64C358.5 64 374.8 70.7 386.8 82.7L493.3 189.3C505.3 201.3 512 217.6 512 234.6L512 512C512 547.3 483.3 576 448 576L192 576C156.7 576 128 547.3 128 512L128 128zM336 122.5L336 216C336 229.3 346.7 240 360 240L453.5 240L336 122.5zM282.2 359.6C290.8 349.5 289.7 334.4 279.6 325.8C269.5 317.2 254.4 318.3 245.8 328.4L197.8 384.4C190.1 393.4 190.1 406.6 197.8 415.6L245.8 471.6C254.4 481.7 269.6 482.8 279.6 474.2C289.6 465.6 290.8 450.4 282.2 440.4L247.6 400L282.2 359.6zM394.2 328.4C385.6 318.3 370.4 317.2 360.4 325.8C350.4 334.4 349.2 349.6 357.8 359.6L392.4 400L357.8 440.4C349.2 450.5 350.3 465.6 360.4 474.2C370.5 482.8 385.6 481.7 394.2 471.6L442.2 415.6C449.9 406.6 449.9 393.4 442.2 384.4L394.2 328.4z"/></svg>',"file-excel":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 128C128 92.7 156.7 64 192 64L341.5 64C358.5 64 374.8 70.7 386.8 82.7L493.3 189.3C505.3 201.3 512 217.6 512 234.6L512 512C512 547.3 483.3 576 448 576L192 576C156.7 576 128 547.3 128 512L128 128zM336 122.5L336 216C336 229.3 346.7 240 360 240L453.5 240L336 122.5zM292 330.7C284.6 319.7 269.7 316.7 258.7 324C247.7 331.3 244.7 346.3 252 357.3L291.2 416L252 474.7C244.6 485.7 247.6 500.6 258.7 508C269.8 515.4 284.6 512.4 292 501.3L320 459.3L348 501.3C355.4 512.3 370.3 515.3 381.3 508C392.3 500.7 395.3 485.7 388 474.7L348.8 416L388 357.3C395.4 346.3 392.4 331.4 381.3 324C370.2 316.6 355.4 319.6 348 330.7L320 372.7L292 330.7z"/></svg>',"file-image":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 128C128 92.7 156.7 64 192 64L341.5 64C358.5 64 374.8 70.7 386.8 82.7L493.3 189.3C505.3 201.3 512 217.6 512 234.6L512 512C512 547.3 483.3 576 448 576L192 576C156.7 576 128 547.3 128 512L128 128zM336 122.5L336 216C336 229.3 346.7 240 360 240L453.5 240L336 122.5zM256 320C256 302.3 241.7 288 224 288C206.3 288 192 302.3 192 320C192 337.7 206.3 352 224 352C241.7 352 256 337.7 256 320zM220.6 512L419.4 512C435.2 512 448 499.2 448 483.4C448 476.1 445.2 469 440.1 463.7L343.3 361.9C337.3 355.6 328.9 352 320.1 352L319.8 352C311 352 302.7 355.6 296.6 361.9L199.9 463.7C194.8 469 192 476.1 192 483.4C192 499.2 204.8 512 220.6 512z"/></svg>',"file-pdf":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 64C92.7 64 64 92.7 64 128L64 512C64 547.3 92.7 576 128 576L208 576L208 464C208 428.7 236.7 400 272 400L448 400L448 234.5C448 217.5 441.3 201.2 429.3 189.2L322.7 82.7C310.7 70.7 294.5 64 277.5 64L128 64zM389.5 240L296 240C282.7 240 272 229.3 272 216L272 122.5L389.5 240zM272 444C261 444 252 453 252 464L252 592C252 603 261 612 272 612C283 612 292 603 292 592L292 564L304 564C337.1 564 364 537.1 364 504C364 470.9 337.1 444 304 444L272 444zM304 524L292 524L292 484L304 484C315 484 324 493 324 504C324 515 315 524 304 524zM400 444C389 444 380 453 380 464L380 592C380 603 389 612 400 612L432 612C460.7 612 484 588.7 484 560L484 496C484 467.3 460.7 444 432 444L400 444zM420 572L420 484L432 484C438.6 484 444 489.4 444 496L444 560C444 566.6 438.6 572 432 572L420 572zM508 464L508 592C508 603 517 612 528 612C539 612 548 603 548 592L548 548L576 548C587 548 596 539 596 528C596 517 587 508 576 508L548 508L548 484L576 484C587 484 596 475 596 464C596 453 587 444 576 444L528 444C517 444 508 453 508 464z"/></svg>',"file-powerpoint":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 128C128 92.7 156.7 64 192 64L341.5 64C358.5 64 374.8 70.7 386.8 82.7L493.3 189.3C505.3 201.3 512 217.6 512 234.6L512 512C512 547.3 483.3 576 448 576L192 576C156.7 576 128 547.3 128 512L128 128zM336 122.5L336 216C336 229.3 346.7 240 360 240L453.5 240L336 122.5zM280 320C266.7 320 256 330.7 256 344L256 488C256 501.3 266.7 512 280 512C293.3 512 304 501.3 304 488L304 464L328 464C367.8 464 400 431.8 400 392C400 352.2 367.8 320 328 320L280 320zM328 416L304 416L304 368L328 368C341.3 368 352 378.7 352 392C352 405.3 341.3 416 328 416z"/></svg>',"file-video":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 128C128 92.7 156.7 64 192 64L341.5 64C358.5 64 374.8 70.7 386.8 82.7L493.3 189.3C505.3 201.3 512 217.6 512 234.6L512 512C512 547.3 483.3 576 448 576L192 576C156.7 576 128 547.3 128 512L128 128zM336 122.5L336 216C336 229.3 346.7 240 360 240L453.5 240L336 122.5zM208 368L208 464C208 481.7 222.3 496 240 496L336 496C353.7 496 368 481.7 368 464L368 440L403 475C406.2 478.2 410.5 480 415 480C424.4 480 432 472.4 432 463L432 368.9C432 359.5 424.4 351.9 415 351.9C410.5 351.9 406.2 353.7 403 356.9L368 391.9L368 367.9C368 350.2 353.7 335.9 336 335.9L240 335.9C222.3 335.9 208 350.2 208 367.9z"/></svg>',"file-word":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 128C128 92.7 156.7 64 192 64L341.5 64C358.5 64 374.8 70.7 386.8 82.7L493.3 189.3C505.3 201.3 512 217.6 512 234.6L512 512C512 547.3 483.3 576 448 576L192 576C156.7 576 128 547.3 128 512L128 128zM336 122.5L336 216C336 229.3 346.7 240 360 240L453.5 240L336 122.5zM263.4 338.8C260.5 325.9 247.7 317.7 234.8 320.6C221.9 323.5 213.7 336.3 216.6 349.2L248.6 493.2C250.9 503.7 260 511.4 270.8 512C281.6 512.6 291.4 505.9 294.8 495.6L320 419.9L345.2 495.6C348.6 505.8 358.4 512.5 369.2 512C380 511.5 389.1 503.8 391.4 493.2L423.4 349.2C426.3 336.3 418.1 323.4 405.2 320.6C392.3 317.8 379.4 325.9 376.6 338.8L363.4 398.2L342.8 336.4C339.5 326.6 330.4 320 320 320C309.6 320 300.5 326.6 297.2 336.4L276.6 398.2L263.4 338.8z"/></svg>',"file-zipper":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M128 128C128 92.7 156.7 64 192 64L341.5 64C358.5 64 374.8 70.7 386.8 82.7L493.3 189.3C505.3 201.3 512 217.6 512 234.6L512 512C512 547.3 483.3 576 448 576L192 576C156.7 576 128 547.3 128 512L128 128zM336 122.5L336 216C336 229.3 346.7 240 360 240L453.5 240L336 122.5zM192 136C192 149.3 202.7 160 216 160L264 160C277.3 160 288 149.3 288 136C288 122.7 277.3 112 264 112L216 112C202.7 112 192 122.7 192 136zM192 232C192 245.3 202.7 256 216 256L264 256C277.3 256 288 245.3 288 232C288 218.7 277.3 208 264 208L216 208C202.7 208 192 218.7 192 232zM256 304L224 304C206.3 304 192 318.3 192 336L192 384C192 410.5 213.5 432 240 432C266.5 432 288 410.5 288 384L288 336C288 318.3 273.7 304 256 304zM240 368C248.8 368 256 375.2 256 384C256 392.8 248.8 400 240 400C231.2 400 224 392.8 224 384C224 375.2 231.2 368 240 368z"/></svg>',"forward-step":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 384 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M21 36.8c12.9-7 28.7-6.3 41 1.8L320 208.1 320 64c0-17.7 14.3-32 32-32s32 14.3 32 32l0 384c0 17.7-14.3 32-32 32s-32-14.3-32-32l0-144.1-258 169.6c-12.3 8.1-28 8.8-41 1.8S0 454.7 0 440L0 72C0 57.3 8.1 43.8 21 36.8z"/></svg>',gauge:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M0 256a256 256 0 1 1 512 0 256 256 0 1 1 -512 0zm320 96c0-26.9-16.5-49.9-40-59.3L280 120c0-13.3-10.7-24-24-24s-24 10.7-24 24l0 172.7c-23.5 9.5-40 32.5-40 59.3 0 35.3 28.7 64 64 64s64-28.7 64-64zM144 176a32 32 0 1 0 0-64 32 32 0 1 0 0 64zm-16 80a32 32 0 1 0 -64 0 32 32 0 1 0 64 0zm288 32a32 32 0 1 0 0-64 32 32 0 1 0 0 64zM400 144a32 32 0 1 0 -64 0 32 32 0 1 0 64 0z"/></svg>',gear:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M259.1 73.5C262.1 58.7 275.2 48 290.4 48L350.2 48C365.4 48 378.5 58.7 381.5 73.5L396 143.5C410.1 149.5 423.3 157.2 435.3 166.3L503.1 143.8C517.5 139 533.3 145 540.9 158.2L570.8 210C578.4 223.2 575.7 239.8 564.3 249.9L511 297.3C511.9 304.7 512.3 312.3 512.3 320C512.3 327.7 511.8 335.3 511 342.7L564.4 390.2C575.8 400.3 578.4 417 570.9 430.1L541 481.9C533.4 495 517.6 501.1 503.2 496.3L435.4 473.8C423.3 482.9 410.1 490.5 396.1 496.6L381.7 566.5C378.6 581.4 365.5 592 350.4 592L290.6 592C275.4 592 262.3 581.3 259.3 566.5L244.9 496.6C230.8 490.6 217.7 482.9 205.6 473.8L137.5 496.3C123.1 501.1 107.3 495.1 99.7 481.9L69.8 430.1C62.2 416.9 64.9 400.3 76.3 390.2L129.7 342.7C128.8 335.3 128.4 327.7 128.4 320C128.4 312.3 128.9 304.7 129.7 297.3L76.3 249.8C64.9 239.7 62.3 223 69.8 209.9L99.7 158.1C107.3 144.9 123.1 138.9 137.5 143.7L205.3 166.2C217.4 157.1 230.6 149.5 244.6 143.4L259.1 73.5zM320.3 400C364.5 399.8 400.2 363.9 400 319.7C399.8 275.5 363.9 239.8 319.7 240C275.5 240.2 239.8 276.1 240 320.3C240.2 364.5 276.1 400.2 320.3 400z"/></svg>',"grip-vertical":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M128 40c0-22.1-17.9-40-40-40L40 0C17.9 0 0 17.9 0 40L0 88c0 22.1 17.9 40 40 40l48 0c22.1 0 40-17.9 40-40l0-48zm0 192c0-22.1-17.9-40-40-40l-48 0c-22.1 0-40 17.9-40 40l0 48c0 22.1 17.9 40 40 40l48 0c22.1 0 40-17.9 40-40l0-48zM0 424l0 48c0 22.1 17.9 40 40 40l48 0c22.1 0 40-17.9 40-40l0-48c0-22.1-17.9-40-40-40l-48 0c-22.1 0-40 17.9-40 40zM320 40c0-22.1-17.9-40-40-40L232 0c-22.1 0-40 17.9-40 40l0 48c0 22.1 17.9 40 40 40l48 0c22.1 0 40-17.9 40-40l0-48zM192 232l0 48c0 22.1 17.9 40 40 40l48 0c22.1 0 40-17.9 40-40l0-48c0-22.1-17.9-40-40-40l-48 0c-22.1 0-40 17.9-40 40zM320 424c0-22.1-17.9-40-40-40l-48 0c-22.1 0-40 17.9-40 40l0 48c0 22.1 17.9 40 40 40l48 0c22.1 0 40-17.9 40-40l0-48z"/></svg>',indeterminate:'<svg part="indeterminate-icon" class="icon" viewBox="0 0 16 16"><g stroke="none" stroke-width="1" fill="none" fill-rule="evenodd" stroke-linecap="round"><g stroke="currentColor" stroke-width="2"><g transform="translate(2.285714 6.857143)"><path d="M10.2857143,1.14285714 L1.14285714,1.14285714"/></g></g></g></svg>',"magnifying-glass":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M416 208c0 45.9-14.9 88.3-40 122.7L502.6 457.4c12.5 12.5 12.5 32.8 0 45.3s-32.8 12.5-45.3 0L330.7 376C296.3 401.1 253.9 416 208 416 93.1 416 0 322.9 0 208S93.1 0 208 0 416 93.1 416 208zM208 352a144 144 0 1 0 0-288 144 144 0 1 0 0 288z"/></svg>',minus:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M0 256c0-17.7 14.3-32 32-32l384 0c17.7 0 32 14.3 32 32s-14.3 32-32 32L32 288c-17.7 0-32-14.3-32-32z"/></svg>',pause:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 384 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M48 32C21.5 32 0 53.5 0 80L0 432c0 26.5 21.5 48 48 48l64 0c26.5 0 48-21.5 48-48l0-352c0-26.5-21.5-48-48-48L48 32zm224 0c-26.5 0-48 21.5-48 48l0 352c0 26.5 21.5 48 48 48l64 0c26.5 0 48-21.5 48-48l0-352c0-26.5-21.5-48-48-48l-64 0z"/></svg>',"picture-in-picture":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M448 32c35.3 0 64 28.7 64 64l0 112-64 0 0-112-384 0 0 320 144 0 0 64-144 0-6.5-.3c-30.1-3.1-54.1-27-57.1-57.1L0 416 0 96C0 62.9 25.2 35.6 57.5 32.3L64 32 448 32zm16 224c26.5 0 48 21.5 48 48l0 128c0 26.5-21.5 48-48 48l-160 0c-26.5 0-48-21.5-48-48l0-128c0-26.5 21.5-48 48-48l160 0z"/></svg>',play:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M91.2 36.9c-12.4-6.8-27.4-6.5-39.6 .7S32 57.9 32 72l0 368c0 14.1 7.5 27.2 19.6 34.4s27.2 7.5 39.6 .7l336-184c12.8-7 20.8-20.5 20.8-35.1s-8-28.1-20.8-35.1l-336-184z"/></svg>',"play-circle":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M0 256a256 256 0 1 1 512 0 256 256 0 1 1 -512 0zM188.3 147.1c-7.6 4.2-12.3 12.3-12.3 20.9l0 176c0 8.7 4.7 16.7 12.3 20.9s16.8 4.1 24.3-.5l144-88c7.1-4.4 11.5-12.1 11.5-20.5s-4.4-16.1-11.5-20.5l-144-88c-7.4-4.5-16.7-4.7-24.3-.5z"/></svg>',plus:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M352 128C352 110.3 337.7 96 320 96C302.3 96 288 110.3 288 128L288 288L128 288C110.3 288 96 302.3 96 320C96 337.7 110.3 352 128 352L288 352L288 512C288 529.7 302.3 544 320 544C337.7 544 352 529.7 352 512L352 352L512 352C529.7 352 544 337.7 544 320C544 302.3 529.7 288 512 288L352 288L352 128z"/></svg>',star:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 576 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M309.5-18.9c-4.1-8-12.4-13.1-21.4-13.1s-17.3 5.1-21.4 13.1L193.1 125.3 33.2 150.7c-8.9 1.4-16.3 7.7-19.1 16.3s-.5 18 5.8 24.4l114.4 114.5-25.2 159.9c-1.4 8.9 2.3 17.9 9.6 23.2s16.9 6.1 25 2L288.1 417.6 432.4 491c8 4.1 17.7 3.3 25-2s11-14.2 9.6-23.2L441.7 305.9 556.1 191.4c6.4-6.4 8.6-15.8 5.8-24.4s-10.1-14.9-19.1-16.3L383 125.3 309.5-18.9z"/></svg>',"table-columns":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M0 96C0 60.7 28.7 32 64 32l320 0c35.3 0 64 28.7 64 64l0 320c0 35.3-28.7 64-64 64L64 480c-35.3 0-64-28.7-64-64L0 96zm64 64l0 256 128 0 0-256-128 0zm320 0l-128 0 0 256 128 0 0-256z"/></svg>',thumbtack:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 384 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M32 32C32 14.3 46.3 0 64 0L320 0c17.7 0 32 14.3 32 32s-14.3 32-32 32l-29.5 0 10.3 134.1c37.1 21.2 65.8 56.4 78.2 99.7l3.8 13.4c2.8 9.7 .8 20-5.2 28.1S362 352 352 352L32 352c-10 0-19.5-4.7-25.5-12.7s-8-18.4-5.2-28.1L5 297.8c12.4-43.3 41-78.5 78.2-99.7L93.5 64 64 64C46.3 64 32 49.7 32 32zM160 400l64 0 0 112c0 17.7-14.3 32-32 32s-32-14.3-32-32l0-112z"/></svg>',"up-down":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M406.6 502.6l96-96c9.2-9.2 11.9-22.9 6.9-34.9S492.9 352 480 352l-64 0 0-320c0-17.7-14.3-32-32-32s-32 14.3-32 32l0 320-64 0c-12.9 0-24.6 7.8-29.6 19.8s-2.2 25.7 6.9 34.9l96 96c12.5 12.5 32.8 12.5 45.3 0zM150.6 9.4c-12.5-12.5-32.8-12.5-45.3 0l-96 96c-9.2 9.2-11.9 22.9-6.9 34.9S19.1 160 32 160l64 0 0 320c0 17.7 14.3 32 32 32s32-14.3 32-32l0-320 64 0c12.9 0 24.6-7.8 29.6-19.8s2.2-25.7-6.9-34.9l-96-96z"/></svg>',upload:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free 7.1.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M352 173.3L352 384C352 401.7 337.7 416 320 416C302.3 416 288 401.7 288 384L288 173.3L246.6 214.7C234.1 227.2 213.8 227.2 201.3 214.7C188.8 202.2 188.8 181.9 201.3 169.4L297.3 73.4C309.8 60.9 330.1 60.9 342.6 73.4L438.6 169.4C451.1 181.9 451.1 202.2 438.6 214.7C426.1 227.2 405.8 227.2 393.3 214.7L352 173.3zM320 464C364.2 464 400 428.2 400 384L480 384C515.3 384 544 412.7 544 448L544 480C544 515.3 515.3 544 480 544L160 544C124.7 544 96 515.3 96 480L96 448C96 412.7 124.7 384 160 384L240 384C240 428.2 275.8 464 320 464zM464 488C477.3 488 488 477.3 488 464C488 450.7 477.3 440 464 440C450.7 440 440 450.7 440 464C440 477.3 450.7 488 464 488z"/></svg>',user:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M224 248a120 120 0 1 0 0-240 120 120 0 1 0 0 240zm-29.7 56C95.8 304 16 383.8 16 482.3 16 498.7 29.3 512 45.7 512l356.6 0c16.4 0 29.7-13.3 29.7-29.7 0-98.5-79.8-178.3-178.3-178.3l-59.4 0z"/></svg>',volume:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M48 352l48 0 134.1 119.2c6.4 5.7 14.6 8.8 23.1 8.8 19.2 0 34.8-15.6 34.8-34.8l0-378.4c0-19.2-15.6-34.8-34.8-34.8-8.5 0-16.7 3.1-23.1 8.8L96 160 48 160c-26.5 0-48 21.5-48 48l0 96c0 26.5 21.5 48 48 48zM441.1 107c-10.3-8.4-25.4-6.8-33.8 3.5s-6.8 25.4 3.5 33.8C443.3 170.7 464 210.9 464 256s-20.7 85.3-53.2 111.8c-10.3 8.4-11.8 23.5-3.5 33.8s23.5 11.8 33.8 3.5c43.2-35.2 70.9-88.9 70.9-149s-27.7-113.8-70.9-149zm-60.5 74.5c-10.3-8.4-25.4-6.8-33.8 3.5s-6.8 25.4 3.5 33.8C361.1 227.6 368 241 368 256s-6.9 28.4-17.7 37.3c-10.3 8.4-11.8 23.5-3.5 33.8s23.5 11.8 33.8 3.5C402.1 312.9 416 286.1 416 256s-13.9-56.9-35.5-74.5z"/></svg>',"volume-low":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M48 352l48 0 134.1 119.2c6.4 5.7 14.6 8.8 23.1 8.8 19.2 0 34.8-15.6 34.8-34.8l0-378.4c0-19.2-15.6-34.8-34.8-34.8-8.5 0-16.7 3.1-23.1 8.8L96 160 48 160c-26.5 0-48 21.5-48 48l0 96c0 26.5 21.5 48 48 48zM380.6 181.5c-10.3-8.4-25.4-6.8-33.8 3.5s-6.8 25.4 3.5 33.8C361.1 227.6 368 241 368 256s-6.9 28.4-17.7 37.3c-10.3 8.4-11.8 23.5-3.5 33.8s23.5 11.8 33.8 3.5C402.1 312.9 416 286.1 416 256s-13.9-56.9-35.5-74.5z"/></svg>',"volume-xmark":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 576 512"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M48 352l48 0 134.1 119.2c6.4 5.7 14.6 8.8 23.1 8.8 19.2 0 34.8-15.6 34.8-34.8l0-378.4c0-19.2-15.6-34.8-34.8-34.8-8.5 0-16.7 3.1-23.1 8.8L96 160 48 160c-26.5 0-48 21.5-48 48l0 96c0 26.5 21.5 48 48 48zM367 175c-9.4 9.4-9.4 24.6 0 33.9l47 47-47 47c-9.4 9.4-9.4 24.6 0 33.9s24.6 9.4 33.9 0l47-47 47 47c9.4 9.4 24.6 9.4 33.9 0s9.4-24.6 0-33.9l-47-47 47-47c9.4-9.4 9.4-24.6 0-33.9s-24.6-9.4-33.9 0l-47 47-47-47c-9.4-9.4-24.6-9.4-33.9 0z"/></svg>',xmark:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 384 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M55.1 73.4c-12.5-12.5-32.8-12.5-45.3 0s-12.5 32.8 0 45.3L147.2 256 9.9 393.4c-12.5 12.5-12.5 32.8 0 45.3s32.8 12.5 45.3 0L192.5 301.3 329.9 438.6c12.5 12.5 32.8 12.5 45.3 0s12.5-32.8 0-45.3L237.8 256 375.1 118.6c12.5-12.5 12.5-32.8 0-45.3s-32.8-12.5-45.3 0L192.5 210.7 55.1 73.4z"/></svg>'},regular:{calendar:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M216 64C229.3 64 240 74.7 240 88L240 128L400 128L400 88C400 74.7 410.7 64 424 64C437.3 64 448 74.7 448 88L448 128L480 128C515.3 128 544 156.7 544 192L544 480C544 515.3 515.3 544 480 544L160 544C124.7 544 96 515.3 96 480L96 192C96 156.7 124.7 128 160 128L192 128L192 88C192 74.7 202.7 64 216 64zM216 176L160 176C151.2 176 144 183.2 144 192L144 240L496 240L496 192C496 183.2 488.8 176 480 176L216 176zM144 288L144 480C144 488.8 151.2 496 160 496L480 496C488.8 496 496 488.8 496 480L496 288L144 288z"/></svg>',"circle-question":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M464 256a208 208 0 1 0 -416 0 208 208 0 1 0 416 0zM0 256a256 256 0 1 1 512 0 256 256 0 1 1 -512 0zm256-80c-17.7 0-32 14.3-32 32 0 13.3-10.7 24-24 24s-24-10.7-24-24c0-44.2 35.8-80 80-80s80 35.8 80 80c0 47.2-36 67.2-56 74.5l0 3.8c0 13.3-10.7 24-24 24s-24-10.7-24-24l0-8.1c0-20.5 14.8-35.2 30.1-40.2 6.4-2.1 13.2-5.5 18.2-10.3 4.3-4.2 7.7-10 7.7-19.6 0-17.7-14.3-32-32-32zM224 368a32 32 0 1 1 64 0 32 32 0 1 1 -64 0z"/></svg>',"circle-xmark":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M256 48a208 208 0 1 1 0 416 208 208 0 1 1 0-416zm0 464a256 256 0 1 0 0-512 256 256 0 1 0 0 512zM167 167c-9.4 9.4-9.4 24.6 0 33.9l55 55-55 55c-9.4 9.4-9.4 24.6 0 33.9s24.6 9.4 33.9 0l55-55 55 55c9.4 9.4 24.6 9.4 33.9 0s9.4-24.6 0-33.9l-55-55 55-55c9.4-9.4 9.4-24.6 0-33.9s-24.6-9.4-33.9 0l-55 55-55-55c-9.4-9.4-24.6-9.4-33.9 0z"/></svg>',clock:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><!--!Font Awesome Free v7.2.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2026 Fonticons, Inc.--><path d="M528 320C528 434.9 434.9 528 320 528C205.1 528 112 434.9 112 320C112 205.1 205.1 112 320 112C434.9 112 528 205.1 528 320zM64 320C64 461.4 178.6 576 320 576C461.4 576 576 461.4 576 320C576 178.6 461.4 64 320 64C178.6 64 64 178.6 64 320zM296 184L296 320C296 328 300 335.5 306.7 340L402.7 404C413.7 411.4 428.6 408.4 436 397.3C443.4 386.2 440.4 371.4 429.3 364L344 307.2L344 184C344 170.7 333.3 160 320 160C306.7 160 296 170.7 296 184z"/></svg>',copy:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 448 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M384 336l-192 0c-8.8 0-16-7.2-16-16l0-256c0-8.8 7.2-16 16-16l133.5 0c4.2 0 8.3 1.7 11.3 4.7l58.5 58.5c3 3 4.7 7.1 4.7 11.3L400 320c0 8.8-7.2 16-16 16zM192 384l192 0c35.3 0 64-28.7 64-64l0-197.5c0-17-6.7-33.3-18.7-45.3L370.7 18.7C358.7 6.7 342.5 0 325.5 0L192 0c-35.3 0-64 28.7-64 64l0 256c0 35.3 28.7 64 64 64zM64 128c-35.3 0-64 28.7-64 64L0 448c0 35.3 28.7 64 64 64l192 0c35.3 0 64-28.7 64-64l0-16-48 0 0 16c0 8.8-7.2 16-16 16L64 464c-8.8 0-16-7.2-16-16l0-256c0-8.8 7.2-16 16-16l16 0 0-48-16 0z"/></svg>',eye:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 576 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M288 80C222.8 80 169.2 109.6 128.1 147.7 89.6 183.5 63 226 49.4 256 63 286 89.6 328.5 128.1 364.3 169.2 402.4 222.8 432 288 432s118.8-29.6 159.9-67.7C486.4 328.5 513 286 526.6 256 513 226 486.4 183.5 447.9 147.7 406.8 109.6 353.2 80 288 80zM95.4 112.6C142.5 68.8 207.2 32 288 32s145.5 36.8 192.6 80.6c46.8 43.5 78.1 95.4 93 131.1 3.3 7.9 3.3 16.7 0 24.6-14.9 35.7-46.2 87.7-93 131.1-47.1 43.7-111.8 80.6-192.6 80.6S142.5 443.2 95.4 399.4c-46.8-43.5-78.1-95.4-93-131.1-3.3-7.9-3.3-16.7 0-24.6 14.9-35.7 46.2-87.7 93-131.1zM288 336c44.2 0 80-35.8 80-80 0-29.6-16.1-55.5-40-69.3-1.4 59.7-49.6 107.9-109.3 109.3 13.8 23.9 39.7 40 69.3 40zm-79.6-88.4c2.5 .3 5 .4 7.6 .4 35.3 0 64-28.7 64-64 0-2.6-.2-5.1-.4-7.6-37.4 3.9-67.2 33.7-71.1 71.1zm45.6-115c10.8-3 22.2-4.5 33.9-4.5 8.8 0 17.5 .9 25.8 2.6 .3 .1 .5 .1 .8 .2 57.9 12.2 101.4 63.7 101.4 125.2 0 70.7-57.3 128-128 128-61.6 0-113-43.5-125.2-101.4-1.8-8.6-2.8-17.5-2.8-26.6 0-11 1.4-21.8 4-32 .2-.7 .3-1.3 .5-1.9 11.9-43.4 46.1-77.6 89.5-89.5z"/></svg>',"eye-slash":'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 576 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M41-24.9c-9.4-9.4-24.6-9.4-33.9 0S-2.3-.3 7 9.1l528 528c9.4 9.4 24.6 9.4 33.9 0s9.4-24.6 0-33.9l-96.4-96.4c2.7-2.4 5.4-4.8 8-7.2 46.8-43.5 78.1-95.4 93-131.1 3.3-7.9 3.3-16.7 0-24.6-14.9-35.7-46.2-87.7-93-131.1-47.1-43.7-111.8-80.6-192.6-80.6-56.8 0-105.6 18.2-146 44.2L41-24.9zM176.9 111.1c32.1-18.9 69.2-31.1 111.1-31.1 65.2 0 118.8 29.6 159.9 67.7 38.5 35.7 65.1 78.3 78.6 108.3-13.6 30-40.2 72.5-78.6 108.3-3.1 2.8-6.2 5.6-9.4 8.4L393.8 328c14-20.5 22.2-45.3 22.2-72 0-70.7-57.3-128-128-128-26.7 0-51.5 8.2-72 22.2l-39.1-39.1zm182 182l-108-108c11.1-5.8 23.7-9.1 37.1-9.1 44.2 0 80 35.8 80 80 0 13.4-3.3 26-9.1 37.1zM103.4 173.2l-34-34c-32.6 36.8-55 75.8-66.9 104.5-3.3 7.9-3.3 16.7 0 24.6 14.9 35.7 46.2 87.7 93 131.1 47.1 43.7 111.8 80.6 192.6 80.6 37.3 0 71.2-7.9 101.5-20.6L352.2 422c-20 6.4-41.4 10-64.2 10-65.2 0-118.8-29.6-159.9-67.7-38.5-35.7-65.1-78.3-78.6-108.3 10.4-23.1 28.6-53.6 54-82.8z"/></svg>',star:'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 576 512"><!--! Font Awesome Free 7.0.0 by @fontawesome - https://fontawesome.com License - https://fontawesome.com/license/free Copyright 2025 Fonticons, Inc. --><path d="M288.1-32c9 0 17.3 5.1 21.4 13.1L383 125.3 542.9 150.7c8.9 1.4 16.3 7.7 19.1 16.3s.5 18-5.8 24.4L441.7 305.9 467 465.8c1.4 8.9-2.3 17.9-9.6 23.2s-17 6.1-25 2L288.1 417.6 143.8 491c-8 4.1-17.7 3.3-25-2s-11-14.2-9.6-23.2L134.4 305.9 20 191.4c-6.4-6.4-8.6-15.8-5.8-24.4s10.1-14.9 19.1-16.3l159.9-25.4 73.6-144.2c4.1-8 12.4-13.1 21.4-13.1zm0 76.8L230.3 158c-3.5 6.8-10 11.6-17.6 12.8l-125.5 20 89.8 89.9c5.4 5.4 7.9 13.1 6.7 20.7l-19.8 125.5 113.3-57.6c6.8-3.5 14.9-3.5 21.8 0l113.3 57.6-19.8-125.5c-1.2-7.6 1.3-15.3 6.7-20.7l89.8-89.9-125.5-20c-7.6-1.2-14.1-6-17.6-12.8L288.1 44.8z"/></svg>'}},Jn={name:"system",resolver:(e,t="classic",i="solid")=>{let r=oo[i][e]??oo.regular[e]??oo.regular["circle-question"];return r?Gn(r):""},mutator:e=>{e.hasAttribute("fill")||e.setAttribute("fill","currentColor")}},zr=Jn;var Zn="classic",ai=[$r,zr],ro=new Set;function so(e){ro.add(e)}function no(e){ro.delete(e)}function Ae(e){return ai.find(t=>t.name===e)}function ao(e,t){_r(e),ai.push({name:e,resolver:t.resolver,mutator:t.mutator,spriteSheet:t.spriteSheet}),ro.forEach(i=>{i.library===e&&i.setIcon()})}function _r(e){ai=ai.filter(t=>t.name!==e)}function lo(){return Zn}var{I:Vd}=lr;var Rr=(e,t)=>t===void 0?e?._$litType$!==void 0:e?._$litType$===t;var Pr=e=>e.strings===void 0;var Qn={},Mr=(e,t=Qn)=>e._$AH=t;var $e=Symbol(),li=Symbol(),co,ho=new Map,Z=class extends Y{constructor(){super(...arguments),this.svg=null,this.autoWidth=!1,this.swapOpacity=!1,this.label="",this.library="default",this.rotate=0,this.resolveIcon=async(e,t)=>{let i;if(t?.spriteSheet){this.hasUpdated||await this.updateComplete,this.svg=S`<svg part="svg">
        <use part="use" href="${e}"></use>
      </svg>`,await this.updateComplete;let o=this.shadowRoot.querySelector("[part='svg']");return typeof t.mutator=="function"&&t.mutator(o,this),this.svg}try{if(i=await fetch(e,{mode:"cors"}),!i.ok)return i.status===410?$e:li}catch{return li}try{let o=document.createElement("div");o.innerHTML=await i.text();let r=o.firstElementChild;if(r?.tagName?.toLowerCase()!=="svg")return $e;co||(co=new DOMParser);let n=co.parseFromString(r.outerHTML,"text/html").body.querySelector("svg");return n?(n.part.add("svg"),document.adoptNode(n)):$e}catch{return $e}}}connectedCallback(){super.connectedCallback(),so(this)}firstUpdated(e){super.firstUpdated(e),this.hasAttribute("rotate")&&this.style.setProperty("--rotate-angle",`${this.rotate}deg`),this.setIcon()}disconnectedCallback(){super.disconnectedCallback(),no(this)}async getIconSource(){let e=Ae(this.library),t=this.family||lo();if(this.name&&e){let i=this.canvas==="auto"||this.autoWidth,o;try{o=await e.resolver(this.name,t,this.variant,i)}catch{o=void 0}return{url:o,fromLibrary:!0}}return{url:this.src,fromLibrary:!1}}handleLabelChange(){typeof this.label=="string"&&this.label.length>0?(this.setAttribute("role","img"),this.setAttribute("aria-label",this.label),this.removeAttribute("aria-hidden")):(this.removeAttribute("role"),this.removeAttribute("aria-label"),this.setAttribute("aria-hidden","true"))}async setIcon(){let{url:e,fromLibrary:t}=await this.getIconSource(),i=t?Ae(this.library):void 0;if(!e){this.svg=null;return}let o=ho.get(e);o||(o=this.resolveIcon(e,i),ho.set(e,o));let r=await o;r===li&&ho.delete(e);let s=await this.getIconSource();if(e===s.url){if(Rr(r)){this.svg=r;return}switch(r){case li:case $e:this.svg=null,this.dispatchEvent(new xr);break;default:this.svg=r.cloneNode(!0),i?.mutator?.(this.svg,this),this.dispatchEvent(new Sr)}}}willUpdate(e){return this.style||this.setStyleProperty("--rotate-angle",`${this.rotate}deg`),super.willUpdate(e)}updated(e){super.updated(e);let t=Ae(this.library);this.hasAttribute("rotate")&&this.style.setProperty("--rotate-angle",`${this.rotate}deg`);let i=this.shadowRoot?.querySelector("svg");i&&t?.mutator?.(i,this)}render(){return this.hasUpdated?this.svg:S`<svg part="svg" width="16" height="16" viewBox="0 0 16 16"></svg>`}};Z.css=Lr;u([O()],Z.prototype,"svg",2);u([g({reflect:!0})],Z.prototype,"name",2);u([g({reflect:!0})],Z.prototype,"family",2);u([g({reflect:!0})],Z.prototype,"variant",2);u([g({reflect:!0})],Z.prototype,"canvas",2);u([g({attribute:"auto-width",type:Boolean,reflect:!0})],Z.prototype,"autoWidth",2);u([g({attribute:"swap-opacity",type:Boolean,reflect:!0})],Z.prototype,"swapOpacity",2);u([g()],Z.prototype,"src",2);u([g()],Z.prototype,"label",2);u([g({reflect:!0})],Z.prototype,"library",2);u([g({type:Number,reflect:!0})],Z.prototype,"rotate",2);u([g({type:String,reflect:!0})],Z.prototype,"flip",2);u([g({type:String,reflect:!0})],Z.prototype,"animation",2);u([X("label")],Z.prototype,"handleLabelChange",1);u([X(["family","name","library","variant","src","autoWidth","canvas","swapOpacity"],{waitUntilFirstUpdate:!0})],Z.prototype,"setIcon",1);Z=u([F("wa-icon")],Z);var Or=I`
  :host {
    display: flex;
    position: relative;
    align-items: stretch;
    border-radius: var(--wa-panel-border-radius);
    background-color: var(--wa-color-fill-quiet, var(--wa-color-brand-fill-quiet));
    border-color: var(--wa-color-border-quiet, var(--wa-color-brand-border-quiet));
    border-style: var(--wa-panel-border-style);
    border-width: var(--wa-panel-border-width);
    color: var(--wa-color-text-normal);
    padding: 1em;
  }

  /* Appearance modifiers */
  :host([appearance~='plain']) {
    background-color: transparent;
    border-color: transparent;
  }

  :host([appearance~='outlined']) {
    background-color: transparent;
    border-color: var(--wa-color-border-loud, var(--wa-color-brand-border-loud));
  }

  :host([appearance~='filled']) {
    background-color: var(--wa-color-fill-quiet, var(--wa-color-brand-fill-quiet));
    border-color: transparent;
  }

  :host([appearance~='filled-outlined']) {
    border-color: var(--wa-color-border-quiet, var(--wa-color-brand-border-quiet));
  }

  :host([appearance~='accent']) {
    color: var(--wa-color-on-loud, var(--wa-color-brand-on-loud));
    background-color: var(--wa-color-fill-loud, var(--wa-color-brand-fill-loud));
    border-color: transparent;

    [part~='icon'] {
      color: currentColor;
    }
  }

  [part~='icon'] {
    flex: 0 0 auto;
    display: flex;
    align-items: center;
    color: var(--wa-color-on-quiet);
    font-size: 1.25em;
  }

  ::slotted([slot='icon']) {
    margin-inline-end: var(--wa-form-control-padding-inline);
  }

  [part~='message'] {
    flex: 1 1 auto;
    display: block;
    overflow: hidden;
  }
`;var It=class extends Y{constructor(){super(...arguments),this.variant="brand",this.size="m"}handleSizeChange(){ut(this.localName,this.size)}render(){return S`
      <div part="icon">
        <slot name="icon"></slot>
      </div>

      <div part="message">
        <slot></slot>
      </div>
    `}};It.css=[Or,he,pt];u([g({reflect:!0})],It.prototype,"variant",2);u([g({reflect:!0})],It.prototype,"appearance",2);u([g({reflect:!0})],It.prototype,"size",2);u([X("size")],It.prototype,"handleSizeChange",1);It=u([F("wa-callout")],It);var Tr=class{constructor(e,t){this.element=e,this.callback=t}start(...e){if(!!1){this.observer??(this.observer=new ResizeObserver(()=>this.check())),this.observer.observe(this.element);for(let t of e)this.observer.observe(t);this.initialCheckHandle??(this.initialCheckHandle=requestAnimationFrame(()=>{this.initialCheckHandle=void 0,this.check()}))}}stop(){this.initialCheckHandle!==void 0&&(cancelAnimationFrame(this.initialCheckHandle),this.initialCheckHandle=void 0),this.observer?.disconnect()}check(){this.callback(this.element.getClientRects().length>0)}};function ta(e,t){return{top:Math.round(e.getBoundingClientRect().top-t.getBoundingClientRect().top),left:Math.round(e.getBoundingClientRect().left-t.getBoundingClientRect().left)}}function Dr(e,t){let i=t.getBoundingClientRect();return e.clientX>=i.left&&e.clientX<=i.right&&e.clientY>=i.top&&e.clientY<=i.bottom}var uo=new Set;function ea(){let e=document.documentElement.clientWidth;return Math.abs(window.innerWidth-e)}function ia(){let e=Number(getComputedStyle(document.body).paddingRight.replace(/px/,""));return isNaN(e)||!e?0:e}function ci(e){if(uo.add(e),!document.documentElement.classList.contains("wa-scroll-lock")){let t=ea()+ia(),i=getComputedStyle(document.documentElement).scrollbarGutter;(!i||i==="auto")&&(i="stable"),t<2&&(i=""),document.documentElement.style.setProperty("--wa-scroll-lock-gutter",i),document.documentElement.classList.add("wa-scroll-lock"),document.documentElement.style.setProperty("--wa-scroll-lock-size",`${t}px`)}}function di(e){uo.delete(e),uo.size===0&&(document.documentElement.classList.remove("wa-scroll-lock"),document.documentElement.style.removeProperty("--wa-scroll-lock-size"))}function po(e,t,i="vertical",o="smooth"){let r=ta(e,t),s=r.top+t.scrollTop,n=r.left+t.scrollLeft,a=t.scrollLeft,l=t.scrollLeft+t.offsetWidth,c=t.scrollTop,d=t.scrollTop+t.offsetHeight;(i==="horizontal"||i==="both")&&(n<a?t.scrollTo({left:n,behavior:o}):n+e.clientWidth>l&&t.scrollTo({left:n-t.offsetWidth+e.clientWidth,behavior:o})),(i==="vertical"||i==="both")&&(s<c?t.scrollTo({top:s,behavior:o}):s+e.clientHeight>d&&t.scrollTo({top:s-t.offsetHeight+e.clientHeight,behavior:o}))}function Fr(e){return e.split(" ").map(t=>t.trim()).filter(t=>t!=="")}var hi=class extends Event{constructor(){super("wa-show",{bubbles:!0,cancelable:!0,composed:!0})}};var ui=class extends Event{constructor(e){super("wa-hide",{bubbles:!0,cancelable:!0,composed:!0}),this.detail=e}};var pi=class extends Event{constructor(){super("wa-after-hide",{bubbles:!0,cancelable:!1,composed:!0})}};var mi=class extends Event{constructor(){super("wa-after-show",{bubbles:!0,cancelable:!1,composed:!0})}};var Ir=I`
  :host {
    --width: 31rem;
    --spacing: var(--wa-space-l);
    --backdrop-filter: none;
    --show-duration: var(--wa-transition-normal);
    --hide-duration: var(--wa-transition-normal);

    display: none;
  }

  :host([open]) {
    display: block;
  }

  .dialog {
    display: flex;
    flex-direction: column;
    top: 0;
    right: 0;
    bottom: 0;
    left: 0;
    width: var(--width);
    max-width: calc(100% - var(--wa-space-2xl));
    max-height: calc(100% - var(--wa-space-2xl));
    color: inherit;
    background-color: var(--wa-color-surface-raised);
    border-radius: var(--wa-panel-border-radius);
    border: none;
    box-shadow: var(--wa-shadow-l);
    padding: 0;
    margin: auto;

    &.show {
      animation: show-dialog var(--show-duration) ease;

      &::backdrop {
        animation: show-backdrop var(--show-duration, 200ms) ease;
      }
    }

    &.hide {
      animation: show-dialog var(--hide-duration) ease reverse;

      &::backdrop {
        animation: show-backdrop var(--hide-duration, 200ms) ease reverse;
      }
    }

    &.pulse {
      animation: pulse 250ms ease;
    }
  }

  .dialog:focus {
    outline: none;
  }

  /* Ensure there's enough vertical padding for phones that don't update vh when chrome appears (e.g. iPhone) */
  @media screen and (max-width: 420px) {
    .dialog {
      max-height: 80vh;
    }
  }

  .open {
    display: flex;
    opacity: 1;
  }

  .header {
    flex: 0 0 auto;
    display: flex;
    flex-wrap: nowrap;

    padding-inline-start: var(--spacing);
    padding-block-end: 0;

    /* Subtract the close button's padding so that the X is visually aligned with the edges of the dialog content */
    padding-inline-end: calc(var(--spacing) - var(--wa-form-control-padding-block));
    padding-block-start: calc(var(--spacing) - var(--wa-form-control-padding-block));
  }

  .title {
    align-self: center;
    flex: 1 1 auto;
    font-family: inherit;
    font-size: var(--wa-font-size-l);
    font-weight: var(--wa-font-weight-heading);
    line-height: var(--wa-line-height-condensed);
    margin: 0;
  }

  .header-actions {
    align-self: start;
    display: flex;
    flex-shrink: 0;
    flex-wrap: wrap;
    justify-content: end;
    gap: var(--wa-space-2xs);
    padding-inline-start: var(--spacing);
  }

  .header-actions wa-button,
  .header-actions ::slotted(wa-button) {
    flex: 0 0 auto;
    display: flex;
    align-items: center;
  }

  .body {
    flex: 1 1 auto;
    display: block;
    padding: var(--spacing);
    overflow: auto;
    -webkit-overflow-scrolling: touch;

    &:focus {
      outline: none;
    }

    &:focus-visible {
      outline: var(--wa-focus-ring);
      outline-offset: var(--wa-focus-ring-offset);
    }
  }

  .footer {
    flex: 0 0 auto;
    display: flex;
    flex-wrap: wrap;
    gap: var(--wa-space-xs);
    justify-content: end;
    padding: var(--spacing);
    padding-block-start: 0;
  }

  .footer ::slotted(wa-button:not(:first-of-type)) {
    margin-inline-start: var(--wa-spacing-xs);
  }

  .dialog::backdrop {
    /*
      NOTE: the ::backdrop element doesn't inherit properly in Safari yet, but it will in 17.4! At that time, we can
      remove the fallback values here.
    */
    background-color: var(--wa-color-overlay-modal, rgb(0 0 0 / 0.25));
    backdrop-filter: var(--backdrop-filter);
  }

  @keyframes pulse {
    0% {
      scale: 1;
    }
    50% {
      scale: 1.02;
    }
    100% {
      scale: 1;
    }
  }

  @keyframes show-dialog {
    from {
      opacity: 0;
      scale: 0.8;
    }
    to {
      opacity: 1;
      scale: 1;
    }
  }

  @keyframes show-backdrop {
    from {
      opacity: 0;
    }
    to {
      opacity: 1;
    }
  }

  @media (forced-colors: active) {
    .dialog {
      border: solid 1px white;
    }
  }
`;var Gt=[];function fi(e){ze(e),Gt.push(e)}function ze(e){for(let t=Gt.length-1;t>=0;t--)if(Gt[t]===e){Gt.splice(t,1);break}}function _e(e){return Gt.length>0&&Gt[Gt.length-1]===e}function Bt(e,t){return new Promise(i=>{let o=new AbortController,{signal:r}=o;if(e.classList.contains(t))return;e.classList.add(t);let s=!1,n=()=>{s||(s=!0,e.classList.remove(t),i(),o.abort())};e.addEventListener("animationend",n,{once:!0,signal:r}),e.addEventListener("animationcancel",n,{once:!0,signal:r}),requestAnimationFrame(()=>{!s&&e.getAnimations().length===0&&n()})})}var mt=class extends Y{constructor(){super(...arguments),this.localize=new K(this),this.hasSlotController=new xt(this,"footer","header-actions","label"),this.renderedWatcher=new Tr(this,e=>this.handleRenderedChange(e)),this.open=!1,this.label="",this.withoutHeader=!1,this.lightDismiss=!1,this.withFooter=!1,this.withLabel=!1,this.handleDocumentKeyDown=e=>{e.key==="Escape"&&this.open&&_e(this)&&(e.preventDefault(),e.stopPropagation(),this.requestClose(this.dialog))}}firstUpdated(e){super.firstUpdated(e),this.open&&(this.addOpenListeners(),this.dialog.showModal(),ci(this),this.renderedWatcher.start(this.dialog))}disconnectedCallback(){super.disconnectedCallback(),this.renderedWatcher.stop(),di(this),this.removeOpenListeners()}async requestClose(e){let t=new ui({source:e});if(this.dispatchEvent(t),t.defaultPrevented){this.open=!0,Bt(this.dialog,"pulse");return}this.removeOpenListeners(),await Bt(this.dialog,"hide"),this.open=!1,this.dialog.close(),di(this),this.renderedWatcher.stop();let i=this.originalTrigger;typeof i?.focus=="function"&&setTimeout(()=>i.focus()),this.dispatchEvent(new pi)}addOpenListeners(){document.addEventListener("keydown",this.handleDocumentKeyDown),fi(this)}removeOpenListeners(){document.removeEventListener("keydown",this.handleDocumentKeyDown),ze(this)}handleDialogCancel(e){e.preventDefault(),!this.dialog.classList.contains("hide")&&e.target===this.dialog&&_e(this)&&this.requestClose(this.dialog)}handleDialogClick(e){let i=e.target.closest('[data-dialog="close"]');i&&(e.stopPropagation(),this.requestClose(i))}async handleDialogPointerDown(e){e.target===this.dialog&&!Dr(e,this.dialog)&&(this.lightDismiss?this.requestClose(this.dialog):await Bt(this.dialog,"pulse"))}handleRenderedChange(e){if(!this.open){this.renderedWatcher.stop();return}!e&&this.dialog.open?(this.removeOpenListeners(),this.dialog.close(),di(this)):e&&!this.dialog.open&&(this.addOpenListeners(),this.dialog.showModal(),ci(this))}handleOpenChange(){this.open&&!this.dialog.open?this.show():!this.open&&this.dialog.open?(this.open=!0,this.requestClose(this.dialog)):this.open||this.renderedWatcher.stop()}async show(){let e=new hi;if(this.dispatchEvent(e),e.defaultPrevented){this.open=!1;return}this.addOpenListeners(),this.originalTrigger=document.activeElement,this.open=!0,this.dialog.showModal(),ci(this),this.renderedWatcher.start(this.dialog),requestAnimationFrame(()=>{let t=this.querySelector("[autofocus]");t&&typeof t.focus=="function"?t.focus():this.dialog.focus()}),await Bt(this.dialog,"show"),this.dispatchEvent(new mi)}render(){let e=!this.withoutHeader,t=this.hasSlotController.test("footer","withFooter"),i=this.label.length>0||this.hasSlotController.test("label","withLabel");return S`
      <dialog
        part="dialog"
        aria-labelledby=${B(e&&i?"title":void 0)}
        aria-label=${B(!e&&this.label?this.label:void 0)}
        class=${it({dialog:!0,open:this.open})}
        @cancel=${this.handleDialogCancel}
        @click=${this.handleDialogClick}
        @pointerdown=${this.handleDialogPointerDown}
      >
        ${e?S`
              <div part="header" class="header">
                <h2 part="title" class="title" id="title">
                  <!-- If there's no label, use an invisible character to prevent the header from collapsing -->
                  <slot name="label"> ${this.label.length>0?this.label:"\u200B"} </slot>
                </h2>
                <div part="header-actions" class="header-actions">
                  <slot name="header-actions"></slot>
                  <wa-button
                    part="close-button"
                    exportparts="base:close-button__base"
                    class="close"
                    appearance="plain"
                    @click="${o=>this.requestClose(o.target)}"
                  >
                    <wa-icon
                      name="xmark"
                      label=${this.localize.term("close")}
                      library="system"
                      variant="solid"
                    ></wa-icon>
                  </wa-button>
                </div>
              </div>
            `:""}

        <div part="body" class="body"><slot></slot></div>

        <!-- Use a hidden element so we still get "slotchange" events. -->
        <div part="footer" class="footer" ?hidden=${!t}>
          <slot name="footer"></slot>
        </div>
      </dialog>
    `}};mt.css=Ir;u([V(".dialog")],mt.prototype,"dialog",2);u([g({type:Boolean,reflect:!0})],mt.prototype,"open",2);u([g({reflect:!0})],mt.prototype,"label",2);u([g({attribute:"without-header",type:Boolean,reflect:!0})],mt.prototype,"withoutHeader",2);u([g({attribute:"light-dismiss",type:Boolean})],mt.prototype,"lightDismiss",2);u([g({attribute:"with-footer",type:Boolean})],mt.prototype,"withFooter",2);u([g({attribute:"with-label",type:Boolean})],mt.prototype,"withLabel",2);u([X("open",{waitUntilFirstUpdate:!0})],mt.prototype,"handleOpenChange",1);mt=u([F("wa-dialog")],mt);document.addEventListener("click",e=>{let t=e.target.closest("[data-dialog]");if(t instanceof Element){let[i,o]=Fr(t.getAttribute("data-dialog")||"");if(i==="open"&&o?.length){let s=t.getRootNode().getElementById(o);s?.localName==="wa-dialog"?s.open=!0:console.warn(`A dialog with an ID of "${o}" could not be found in this document.`)}}}),document.addEventListener("pointerdown",()=>{});var gi=class extends Event{constructor(){super("wa-clear",{bubbles:!0,cancelable:!1,composed:!0})}};function Br(e,t){let i=e.metaKey||e.ctrlKey||e.shiftKey||e.altKey;e.key==="Enter"&&!i&&setTimeout(()=>{!e.defaultPrevented&&!e.isComposing&&na(t)})}var oa=new Map([["input",!0],["wa-input",!0],["wa-tag-input",!0],["wa-number-input",!0],["wa-otp-input",!0],["wa-slider",!0]]),ra=new Map([["button",!1],["checkbox",!1],["color",!1],["date",!1],["datetime-local",!1],["email",!0],["file",!1],["hidden",!1],["image",!1],["month",!1],["number",!0],["password",!0],["radio",!1],["range",!1],["reset",!0],["search",!0],["submit",!1],["tel",!0],["text",!0],["time",!1],["url",!0],["week",!1]]),sa=e=>{let t=e?.localName;if(!t||!!!oa.get(t))return!1;if(t!=="input"&&t!=="wa-input")return!0;let o=e.type;return!!ra.get(o)};function na(e){let t=null;if("form"in e&&(t=e.form),!t&&"getForm"in e&&(t=e.getForm()),!t)return;let i=Array.from(t.elements),o=0;for(let s of i)sa(s)&&(o+=1);if(o===1){t.requestSubmit(null);return}let r=i.find(s=>s.type==="submit"&&!s.matches(":disabled"));r&&(["input","button"].includes(r.localName)?t.requestSubmit(r):r.click())}var Wr=I`
  :host {
    border-width: 0;
  }

  :host(:focus) {
    outline: none;
  }

  .text-field {
    display: flex;
    align-items: stretch;
    justify-content: start;
    position: relative;
    transition: inherit;
    height: var(--wa-form-control-height);
    border-color: var(--wa-form-control-border-color);
    border-radius: var(--wa-form-control-border-radius);
    border-style: var(--wa-form-control-border-style);
    border-width: var(--wa-form-control-border-width);
    cursor: text;
    color: var(--wa-form-control-value-color);
    font-size: var(--wa-form-control-value-font-size);
    font-family: inherit;
    font-weight: var(--wa-form-control-value-font-weight);
    line-height: var(--wa-form-control-value-line-height);
    vertical-align: middle;
    width: 100%;
    transition:
      background-color var(--wa-transition-normal),
      border-color var(--wa-transition-normal),
      outline-color var(--wa-transition-fast);
    transition-timing-function: var(--wa-transition-easing);
    background-color: var(--wa-form-control-background-color);
    box-shadow: var(--box-shadow);
    padding: 0 var(--wa-form-control-padding-inline);
    outline: var(--wa-focus-ring-style) var(--wa-focus-ring-width) transparent;
    outline-offset: var(--wa-focus-ring-offset);

    /* Only ring the field when the text input has focus, not inner buttons */
    &:has(input:focus, textarea:focus) {
      outline-color: var(--wa-color-focus);
    }

    /* Style disabled inputs */
    &:has(:disabled) {
      cursor: not-allowed;
      opacity: 0.5;
    }
  }

  /* Appearance modifiers */
  :host([appearance='outlined']) .text-field {
    background-color: var(--wa-form-control-background-color);
    border-color: var(--wa-form-control-border-color);
  }

  :host([appearance='filled']) .text-field {
    background-color: var(--wa-color-neutral-fill-quiet);
    border-color: var(--wa-color-neutral-fill-quiet);
  }

  :host([appearance='filled-outlined']) .text-field {
    background-color: var(--wa-color-neutral-fill-quiet);
    border-color: var(--wa-form-control-border-color);
  }

  :host([pill]) .text-field {
    border-radius: var(--wa-border-radius-pill) !important;
  }

  .text-field {
    /* Show autofill styles over the entire text field, not just the native <input> */
    &:has(:autofill),
    &:has(:-webkit-autofill) {
      background-color: var(--wa-color-brand-fill-quiet) !important;
    }

    input,
    textarea {
      /*
      Fixes an alignment issue with placeholders.
      https://github.com/shoelace-style/webawesome/issues/342
    */
      height: 100%;

      padding: 0;
      border: none;
      outline: none;
      box-shadow: none;
      margin: 0;
      cursor: inherit;
      -webkit-appearance: none;
      font: inherit;

      /* Turn off Safari's autofill styles */
      &:-webkit-autofill,
      &:-webkit-autofill:hover,
      &:-webkit-autofill:focus,
      &:-webkit-autofill:active {
        -webkit-background-clip: text;
        background-color: transparent;
        -webkit-text-fill-color: inherit;
      }
    }
  }

  input {
    flex: 1 1 auto;
    min-width: 0;
    height: 100%;
    transition: inherit;

    /* prettier-ignore */
    background-color: rgb(118 118 118 / 0); /* ensures proper placeholder styles in webkit's date input */
    height: calc(var(--wa-form-control-height) - var(--border-width) * 2);
    padding-block: 0;
    color: inherit;

    &:autofill {
      &,
      &:hover,
      &:focus,
      &:active {
        box-shadow: none;
        caret-color: var(--wa-form-control-value-color);
      }
    }

    &::placeholder {
      color: var(--wa-form-control-placeholder-color);
      user-select: none;
      -webkit-user-select: none;
    }

    &::-webkit-search-decoration,
    &::-webkit-search-cancel-button,
    &::-webkit-search-results-button,
    &::-webkit-search-results-decoration {
      -webkit-appearance: none;
    }

    &:focus {
      outline: none;
    }
  }

  textarea {
    &:autofill {
      &,
      &:hover,
      &:focus,
      &:active {
        box-shadow: none;
        caret-color: var(--wa-form-control-value-color);
      }
    }

    &::placeholder {
      color: var(--wa-form-control-placeholder-color);
      user-select: none;
      -webkit-user-select: none;
    }
  }

  .start,
  .end {
    display: inline-flex;
    flex: 0 0 auto;
    align-items: center;
    cursor: default;

    &::slotted(wa-icon) {
      color: var(--wa-color-neutral-on-quiet);
    }
  }

  .start::slotted(*) {
    margin-inline-end: var(--wa-form-control-padding-inline);
  }

  .end::slotted(*) {
    margin-inline-start: var(--wa-form-control-padding-inline);
  }

  /*
   * Clearable + Password Toggle
   */

  .clear,
  .password-toggle {
    position: relative;
    display: inline-flex;
    align-self: center;
    align-items: center;
    justify-content: center;
    aspect-ratio: 1;
    height: 1.5em;
    font-size: inherit;
    color: var(--wa-color-neutral-on-quiet);
    border: none;
    border-radius: var(--wa-border-radius-s);
    background: none;
    padding: 0;
    transition: var(--wa-transition-normal) color;
    cursor: pointer;
    /* The box is wider than the glyph, so overhang half of that growth on each side. Keeps the
       glyph flush with the field's trailing padding edge, like every other form control. */
    margin-inline-start: calc(var(--wa-form-control-padding-inline) - 0.125em);
    margin-inline-end: -0.125em;

    &::after {
      content: '';
      position: absolute;
      inset-inline: 0;
      height: var(--wa-form-control-height);
    }

    @media (hover: hover) {
      &:hover {
        color: color-mix(in oklab, currentColor, var(--wa-color-mix-hover));
      }
    }

    &:active {
      color: color-mix(in oklab, currentColor, var(--wa-color-mix-active));
    }

    &:focus {
      outline: none;
    }

    &:focus-visible {
      outline: var(--wa-focus-ring);
      outline-offset: var(--wa-focus-ring-offset);
    }
  }

  /* Don't show the browser's password toggle in Edge */
  ::-ms-reveal {
    display: none;
  }

  /* Hide the built-in number spinner */
  :host([without-spin-buttons]) input[type='number'] {
    -moz-appearance: textfield;

    &::-webkit-outer-spin-button,
    &::-webkit-inner-spin-button {
      -webkit-appearance: none;
      display: none;
    }
  }
`;var me=I`
  :host {
    display: flex;
    flex-direction: column;
  }

  /* Treat wrapped labels, inputs, and hints as direct children of the host element */
  [part~='form-control'] {
    display: contents;
  }

  /* Label */
  :is([part~='form-control-label'], [part~='label']):has(*:not(:empty)),
  :is([part~='form-control-label'], [part~='label']).has-label {
    display: inline-flex;
    color: var(--wa-form-control-label-color);
    font-weight: var(--wa-form-control-label-font-weight);
    line-height: var(--wa-form-control-label-line-height);
    margin-block-end: 0.5em;
  }

  :host([required]) :is([part~='form-control-label'], [part~='label'])::after {
    content: var(--wa-form-control-required-content);
    margin-inline-start: var(--wa-form-control-required-content-offset);
    color: var(--wa-form-control-required-content-color);
  }

  /* Help text */
  [part~='hint'] {
    display: block;
    color: var(--wa-form-control-hint-color);
    font-weight: var(--wa-form-control-hint-font-weight);
    line-height: var(--wa-form-control-hint-line-height);
    margin-block-start: 0.5em;
    font-size: var(--wa-font-size-smaller);

    &:not(.has-slotted, .has-hint, .has-count) {
      display: none;
    }
  }
`;var vi=pe(class extends Ft{constructor(e){if(super(e),e.type!==ft.PROPERTY&&e.type!==ft.ATTRIBUTE&&e.type!==ft.BOOLEAN_ATTRIBUTE)throw Error("The `live` directive is not allowed on child or event bindings");if(!Pr(e))throw Error("`live` bindings can only contain a single expression")}render(e){return e}update(e,[t]){if(t===rt||t===H)return t;let i=e.element,o=e.name;if(e.type===ft.PROPERTY){if(t===i[o])return rt}else if(e.type===ft.BOOLEAN_ATTRIBUTE){if(!!t===i.hasAttribute(o))return rt}else if(e.type===ft.ATTRIBUTE&&i.getAttribute(o)===t+"")return rt;return Mr(e),t}});var P=class extends et{constructor(){super(...arguments),this.assumeInteractionOn=["blur","input"],this.hasSlotController=new xt(this,"hint","label"),this.localize=new K(this),this.title="",this.type="text",this._value=null,this.defaultValue=this.getAttribute("value")||null,this.size="m",this.appearance="outlined",this.pill=!1,this.label="",this.hint="",this.withClear=!1,this.placeholder="",this.readonly=!1,this.passwordToggle=!1,this.passwordVisible=!1,this.withoutSpinButtons=!1,this.required=!1,this.spellcheck=!0,this.withLabel=!1,this.withHint=!1}static get validators(){return[...super.validators,ce()]}get value(){return this.valueHasChanged?this._value:this._value??this.defaultValue}set value(e){this._value!==e&&(this.valueHasChanged=!0,this._value=e)}updateFormValue(e){if(e==null){this.setValue("",null);return}super.updateFormValue(e)}handleSizeChange(){ut(this.localName,this.size)}handleChange(e){this.value=this.input.value,this.relayNativeEvent(e,{bubbles:!0,composed:!0})}handleClearClick(e){e.preventDefault(),this.value!==""&&(this.value="",this.updateComplete.then(()=>{this.dispatchEvent(new gi),this.dispatchEvent(new InputEvent("input",{bubbles:!0,composed:!0})),this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0}))})),this.input.focus()}handleInput(){this.value=this.input.value}handleKeyDown(e){Br(e,this)}handlePasswordToggle(){this.passwordVisible=!this.passwordVisible}updated(e){if(super.updated(e),e.has("value")||e.has("defaultValue")||e.has("type")){let t=["number","date","time","datetime-local"];this.input&&t.includes(this.type)&&this.value&&this.input.value!==this.value&&(this._value=this.input.value),this.customStates.set("blank",!this.value),this.updateValidity()}}handleStepChange(){this.input.step=String(this.step),this.updateValidity()}focus(e){this.input.focus(e)}blur(){this.input.blur()}select(){this.input.select()}setSelectionRange(e,t,i="none"){this.input.setSelectionRange(e,t,i)}setRangeText(e,t,i,o="preserve"){let r=t??this.input.selectionStart,s=i??this.input.selectionEnd;this.input.setRangeText(e,r,s,o),this.value!==this.input.value&&(this.value=this.input.value)}showPicker(){"showPicker"in HTMLInputElement.prototype&&this.input.showPicker()}stepUp(){this.input.stepUp(),this.value!==this.input.value&&(this.value=this.input.value)}stepDown(){this.input.stepDown(),this.value!==this.input.value&&(this.value=this.input.value)}formResetCallback(){this.value=null,this.input&&(this.input.value=this.value),super.formResetCallback()}render(){let e=this.hasSlotController.test("label","withLabel"),t=this.hasSlotController.test("hint","withHint"),i=this.label?!0:!!e,o=this.hint?!0:!!t,r=this.withClear&&!this.disabled&&!this.readonly,s=(!this.didSSR||this.hasUpdated)&&r&&(typeof this.value=="number"||this.value&&this.value.length>0);return S`
      <label
        part="form-control-label label"
        class=${it({label:!0,"has-label":i})}
        for="input"
        aria-hidden=${i?"false":"true"}
      >
        <slot name="label">${this.label}</slot>
      </label>

      <div part="base input-wrapper" class="text-field">
        <slot name="start" part="start" class="start"></slot>

        <input
          part="input"
          id="input"
          class="control"
          type=${this.type==="password"&&this.passwordVisible?"text":this.type}
          title=${this.title}
          name=${B(this.name)}
          ?disabled=${this.disabled}
          ?readonly=${this.readonly}
          ?required=${this.required}
          placeholder=${B(this.placeholder)}
          minlength=${B(this.minlength)}
          maxlength=${B(this.maxlength)}
          min=${B(this.min)}
          max=${B(this.max)}
          step=${B(this.step)}
          .value=${vi(this.value??"")}
          autocapitalize=${B(this.autocapitalize)}
          autocomplete=${B(this.autocomplete)}
          autocorrect=${this.autocorrect?"on":"off"}
          ?autofocus=${this.autofocus}
          spellcheck=${this.spellcheck}
          pattern=${B(this.pattern)}
          enterkeyhint=${B(this.enterkeyhint)}
          inputmode=${B(this.inputmode)}
          aria-describedby="hint"
          @change=${this.handleChange}
          @input=${this.handleInput}
          @keydown=${this.handleKeyDown}
        />

        ${s?S`
              <button
                part="clear-button"
                class="clear"
                type="button"
                aria-label=${this.localize.term("clearEntry")}
                @click=${this.handleClearClick}
                tabindex="-1"
              >
                <slot name="clear-icon">
                  <wa-icon name="circle-xmark" library="system" variant="regular"></wa-icon>
                </slot>
              </button>
            `:""}
        ${this.passwordToggle&&!this.disabled?S`
              <button
                part="password-toggle-button"
                class="password-toggle"
                type="button"
                aria-label=${this.localize.term(this.passwordVisible?"hidePassword":"showPassword")}
                @click=${this.handlePasswordToggle}
              >
                ${this.passwordVisible?S`
                      <slot name="hide-password-icon">
                        <wa-icon name="eye-slash" library="system" variant="regular"></wa-icon>
                      </slot>
                    `:S`
                      <slot name="show-password-icon">
                        <wa-icon name="eye" library="system" variant="regular"></wa-icon>
                      </slot>
                    `}
              </button>
            `:""}

        <slot name="end" part="end" class="end"></slot>
      </div>

      <slot
        id="hint"
        part="hint"
        name="hint"
        class=${it({"has-slotted":o})}
        aria-hidden=${o?"false":"true"}
        >${this.hint}</slot
      >
    `}};P.css=[pt,me,Wr];P.shadowRootOptions={...et.shadowRootOptions,delegatesFocus:!0};u([V("input")],P.prototype,"input",2);u([g()],P.prototype,"title",2);u([g({reflect:!0})],P.prototype,"type",2);u([O()],P.prototype,"value",1);u([g({attribute:"value",reflect:!0})],P.prototype,"defaultValue",2);u([g({reflect:!0})],P.prototype,"size",2);u([X("size")],P.prototype,"handleSizeChange",1);u([g({reflect:!0})],P.prototype,"appearance",2);u([g({type:Boolean,reflect:!0})],P.prototype,"pill",2);u([g()],P.prototype,"label",2);u([g({attribute:"hint"})],P.prototype,"hint",2);u([g({attribute:"with-clear",type:Boolean})],P.prototype,"withClear",2);u([g()],P.prototype,"placeholder",2);u([g({type:Boolean,reflect:!0})],P.prototype,"readonly",2);u([g({attribute:"password-toggle",type:Boolean})],P.prototype,"passwordToggle",2);u([g({attribute:"password-visible",type:Boolean})],P.prototype,"passwordVisible",2);u([g({attribute:"without-spin-buttons",type:Boolean,reflect:!0})],P.prototype,"withoutSpinButtons",2);u([g({type:Boolean,reflect:!0})],P.prototype,"required",2);u([g()],P.prototype,"pattern",2);u([g({type:Number})],P.prototype,"minlength",2);u([g({type:Number})],P.prototype,"maxlength",2);u([g()],P.prototype,"min",2);u([g()],P.prototype,"max",2);u([g()],P.prototype,"step",2);u([g()],P.prototype,"autocapitalize",2);u([g({type:Boolean,converter:{fromAttribute:e=>!(!e||e==="off"),toAttribute:e=>e?"on":"off"}})],P.prototype,"autocorrect",2);u([g()],P.prototype,"autocomplete",2);u([g({type:Boolean})],P.prototype,"autofocus",2);u([g()],P.prototype,"enterkeyhint",2);u([g({type:Boolean,converter:{fromAttribute:e=>!(!e||e==="false"),toAttribute:e=>e?"true":"false"}})],P.prototype,"spellcheck",2);u([g()],P.prototype,"inputmode",2);u([g({attribute:"with-label",type:Boolean})],P.prototype,"withLabel",2);u([g({attribute:"with-hint",type:Boolean})],P.prototype,"withHint",2);u([X("step",{waitUntilFirstUpdate:!0})],P.prototype,"handleStepChange",1);P=u([F("wa-input")],P);P.disableWarning?.("change-in-update");var Nr=I`
  :host {
    --current-text-color: var(--wa-color-brand-on-loud);

    display: block;
    color: var(--wa-color-text-normal);
    -webkit-user-select: none;
    user-select: none;

    position: relative;
    display: flex;
    align-items: center;
    font: inherit;
    padding: 0.5em 1em 0.5em 0.25em;
    border-radius: var(--wa-border-radius-s);
    line-height: var(--wa-line-height-condensed);
    transition: var(--wa-transition-fast) background-color var(--wa-transition-easing);
    cursor: pointer;
  }

  :host(:focus) {
    outline: none;
  }

  @media (hover: hover) {
    :host(:not(:state(disabled), :state(current)):is(:state(hover), :hover)) {
      background-color: var(--wa-color-neutral-fill-normal);
      color: var(--wa-color-neutral-on-normal);
    }
  }

  :host(:state(current)),
  :host(:state(disabled):state(current)) {
    background-color: var(--wa-form-control-activated-color);
    color: var(--current-text-color);
    opacity: 1;
  }

  :host(:state(disabled)) {
    outline: none;
    opacity: 0.5;
    cursor: not-allowed;
  }

  .label {
    flex: 1 1 auto;
    display: inline-block;
  }

  .check {
    flex: 0 0 auto;
    display: flex;
    align-items: center;
    justify-content: center;
    font-size: var(--wa-font-size-smaller);
    visibility: hidden;
    width: 2em;
  }

  :host(:state(selected)) .check {
    visibility: visible;
  }

  .start,
  .end {
    flex: 0 0 auto;
    display: flex;
    align-items: center;
  }

  .start::slotted(*) {
    margin-inline-end: 0.5em;
  }

  .end::slotted(*) {
    margin-inline-start: 0.5em;
  }

  @media (forced-colors: active) {
    :host(:hover:not([aria-disabled='true'])) {
      outline: dashed 1px SelectedItem;
      outline-offset: -1px;
    }
  }
`;function Re(e,t=0){if(!e||!globalThis.Node)return"";if(typeof e[Symbol.iterator]=="function")return(Array.isArray(e)?e:[...e]).map(r=>Re(r,--t)).join("");let i=e;if(i.nodeType===Node.TEXT_NODE)return i.textContent??"";if(i.nodeType===Node.ELEMENT_NODE){let o=i;if(o.hasAttribute("slot")||o.matches("style, script"))return"";if(o instanceof HTMLSlotElement){let r=o.assignedNodes({flatten:!0});if(r.length>0)return Re(r,--t)}return t>-1?Re(o,--t):o.textContent??""}return i.hasChildNodes()?Re(i.childNodes,--t):""}var gt=class extends Y{constructor(){super(...arguments),this.localize=new K(this),this.cachedDefaultLabel="",this.isInitialized=!1,this.isDefaultLabelDirty=!0,this.current=!1,this.value="",this.disabled=!1,this.selected=!1,this.defaultSelected=!1,this._label="",this.handleHover=e=>{e.type==="mouseenter"?this.customStates.set("hover",!0):e.type==="mouseleave"&&this.customStates.set("hover",!1)}}set label(e){let t=this._label;this._label=e||"",this._label!==t&&this.requestUpdate("label",t)}get label(){return this._label?this._label:this.defaultLabel}get defaultLabel(){return(this.isDefaultLabelDirty||!this.cachedDefaultLabel)&&this.updateDefaultLabel(),this.cachedDefaultLabel}connectedCallback(){super.connectedCallback(),this.setAttribute("role","option"),this.setAttribute("aria-selected","false"),this.addEventListener("mouseenter",this.handleHover),this.addEventListener("mouseleave",this.handleHover)}disconnectedCallback(){super.disconnectedCallback(),this.removeEventListener("mouseenter",this.handleHover),this.removeEventListener("mouseleave",this.handleHover)}handleDefaultSlotChange(){if(this.isDefaultLabelDirty=!0,!this.isInitialized){this.isInitialized=!0;return}let e=this.closest("wa-select, wa-combobox");e&&customElements.whenDefined(e.localName).then(()=>e.handleDefaultSlotChange?.())}willUpdate(e){e.has("defaultSelected")&&(this.didSSR&&this.hasUpdated||!this.didSSR)&&this.syncDefaultSelected(),super.willUpdate(e)}syncDefaultSelected(){if("closest"in this&&!this.closest("wa-combobox, wa-select")?.hasInteracted&&this.defaultSelected){let e=this.selected;this.selected=this.defaultSelected,this.requestUpdate("selected",e)}}updated(e){e.has("disabled")&&(this.setAttribute("aria-disabled",this.disabled?"true":"false"),this.customStates.set("disabled",this.disabled)),e.has("selected")&&(this.setAttribute("aria-selected",this.selected?"true":"false"),this.customStates.set("selected",this.selected)),e.has("value")&&(typeof this.value!="string"&&(this.value=String(this.value)),this.handleDefaultSlotChange()),e.has("current")&&this.customStates.set("current",this.current),super.updated(e)}async firstUpdated(e){if(super.firstUpdated(e),this.didSSR&&!this.hasUpdated?(await this.updateComplete,this.syncDefaultSelected()):this.syncDefaultSelected(),this.selected&&!this.defaultSelected){let t=this.closest("wa-select, wa-combobox");t&&!t.hasInteracted&&(await customElements.whenDefined(t?.localName),await t.updateComplete,t.selectionChanged?.())}}updateDefaultLabel(){let e=this.cachedDefaultLabel;this.cachedDefaultLabel=Re(this).trim(),this.isDefaultLabelDirty=!1;let t=this.cachedDefaultLabel!==e;return!this._label&&t&&this.requestUpdate("label",e),t}render(){let e=this.selected;return this.didSSR&&!this.hasUpdated?(this.updateComplete.then(()=>{this.requestUpdate()}),H):S`
      ${e?S`<wa-icon
            part="checked-icon"
            class="check"
            name="check"
            library="system"
            variant="solid"
            aria-hidden="true"
          ></wa-icon>`:S`<span part="checked-icon" class="check" aria-hidden="true"></span>`}
      <slot part="start" name="start" class="start"></slot>
      <slot part="label" class="label" @slotchange=${this.handleDefaultSlotChange}></slot>
      <slot part="end" name="end" class="end"></slot>
    `}};gt.css=Nr;u([V(".label")],gt.prototype,"defaultSlot",2);u([O()],gt.prototype,"current",2);u([g({reflect:!0})],gt.prototype,"value",2);u([g({type:Boolean})],gt.prototype,"disabled",2);u([g({type:Boolean,attribute:!1})],gt.prototype,"selected",2);u([g({type:Boolean,attribute:"selected"})],gt.prototype,"defaultSelected",2);u([g()],gt.prototype,"label",1);gt=u([F("wa-option")],gt);var Hr=I`
  :host {
    --track-height: 1rem;
    --track-color: var(--wa-color-neutral-fill-normal);
    --indicator-color: var(--wa-color-brand-fill-loud);

    display: flex;
  }

  .progress-bar {
    flex: 1 1 auto;
    display: flex;
    position: relative;
    overflow: hidden;
    height: var(--track-height);
    border-radius: var(--wa-border-radius-pill);
    background-color: var(--track-color);
    color: var(--wa-color-brand-on-loud);
    font-size: var(--wa-font-size-s);
  }

  .indicator {
    width: var(--percentage);
    display: flex;
    align-items: center;
    justify-content: center;
    background-color: var(--indicator-color);
    text-align: center;
    white-space: nowrap;
    overflow: hidden;
    line-height: 1;
    font-weight: var(--wa-font-weight-semibold);
    transition: all var(--wa-transition-slow, 200ms) var(--wa-transition-easing, ease);
    user-select: none;
    -webkit-user-select: none;
  }

  /* Indeterminate */
  :host([indeterminate]) .indicator {
    position: absolute;
    inset-block: 0;
    inline-size: 50%;
    animation: wa-progress-indeterminate 2.5s infinite cubic-bezier(0.37, 0, 0.63, 1);
  }

  @media (forced-colors: active) {
    .progress-bar {
      outline: solid 1px SelectedItem;
      background-color: var(--wa-color-surface-default);
    }

    .indicator {
      outline: solid 1px SelectedItem;
      background-color: SelectedItem;
    }
  }

  @keyframes wa-progress-indeterminate {
    0% {
      inset-inline-start: -50%;
    }

    75%,
    100% {
      inset-inline-start: 100%;
    }
  }
`;function mo(e,t,i){let o=r=>Object.is(r,-0)?0:r;return e<t?o(t):e>i?o(i):o(e)}var Jt=class extends Y{constructor(){super(...arguments),this.localize=new K(this),this.value=0,this.indeterminate=!1,this.label=""}willUpdate(e){this.style==null&&this.setStyleProperty("--percentage",`${mo(this.value,0,100)}%`),super.willUpdate(e)}updated(e){e.has("value")&&requestAnimationFrame(()=>{this.style.setProperty("--percentage",`${mo(this.value,0,100)}%`)}),super.updated(e)}render(){return S`
      <div
        part="base progress-bar"
        class="progress-bar"
        role="progressbar"
        title=${B(this.title)}
        aria-label=${this.label.length>0?this.label:this.localize.term("progress")}
        aria-valuemin="0"
        aria-valuemax="100"
        aria-valuenow=${this.indeterminate?"0":this.value}
      >
        <div part="indicator" class="indicator">
          ${this.indeterminate?"":S` <slot part="label" class="label"></slot> `}
        </div>
      </div>
    `}};Jt.css=Hr;u([g({type:Number,reflect:!0})],Jt.prototype,"value",2);u([g({type:Boolean,reflect:!0})],Jt.prototype,"indeterminate",2);u([g()],Jt.prototype,"label",2);Jt=u([F("wa-progress-bar")],Jt);var Vr=I`
  :host {
    --tag-max-size: 10ch;
    --show-duration: var(--wa-transition-fast);
    --hide-duration: var(--wa-transition-fast);
  }

  /* Add ellipses to multi select options */
  :host wa-tag::part(content) {
    display: initial;
    white-space: nowrap;
    text-overflow: ellipsis;
    overflow: hidden;
    max-width: var(--tag-max-size);
  }

  :host .disabled [part~='combobox'] {
    opacity: 0.5;
    cursor: not-allowed;
    outline: none;
  }

  :host .enabled:is(.open, :focus-within) [part~='combobox'] {
    outline-color: var(--wa-color-focus);
  }

  /** The popup */
  .select {
    flex: 1 1 auto;
    display: inline-flex;
    width: 100%;
    position: relative;
    vertical-align: middle;

    /* Pass through from select to the popup */
    --show-duration: inherit;
    --hide-duration: inherit;

    &::part(popup) {
      z-index: 900;
    }

    &[data-current-placement^='top']::part(popup) {
      transform-origin: bottom;
    }

    &[data-current-placement^='bottom']::part(popup) {
      transform-origin: top;
    }
  }

  /* Combobox */
  .combobox {
    flex: 1;
    display: flex;
    width: 100%;
    min-width: 0;
    align-items: center;
    justify-content: start;

    min-height: var(--wa-form-control-height);

    background-color: var(--wa-form-control-background-color);
    border-color: var(--wa-form-control-border-color);
    border-radius: var(--wa-form-control-border-radius);
    border-style: var(--wa-form-control-border-style);
    border-width: var(--wa-form-control-border-width);
    color: var(--wa-form-control-value-color);
    cursor: pointer;
    font-family: inherit;
    font-weight: var(--wa-form-control-value-font-weight);
    line-height: var(--wa-form-control-value-line-height);
    overflow: hidden;
    padding: 0 var(--wa-form-control-padding-inline);
    position: relative;
    vertical-align: middle;
    transition:
      background-color var(--wa-transition-normal),
      border-color var(--wa-transition-normal),
      outline-color var(--wa-transition-fast);
    transition-timing-function: var(--wa-transition-easing);
    outline: var(--wa-focus-ring-style) var(--wa-focus-ring-width) transparent;
    outline-offset: var(--wa-focus-ring-offset);

    /* Pills */
    :host([pill]) & {
      border-radius: var(--wa-border-radius-pill);
    }
  }

  /* Appearance modifiers */
  :host([appearance='outlined']) .combobox {
    background-color: var(--wa-form-control-background-color);
    border-color: var(--wa-form-control-border-color);
  }

  :host([appearance='filled']) .combobox {
    background-color: var(--wa-color-neutral-fill-quiet);
    border-color: var(--wa-color-neutral-fill-quiet);
  }

  :host([appearance='filled-outlined']) .combobox {
    background-color: var(--wa-color-neutral-fill-quiet);
    border-color: var(--wa-form-control-border-color);
  }

  .display-input {
    position: relative;
    width: 100%;
    font: inherit;
    border: none;
    background: none;
    line-height: var(--wa-form-control-value-line-height);
    color: var(--wa-form-control-value-color);
    cursor: inherit;
    overflow: hidden;
    padding: 0;
    margin: 0;
    -webkit-appearance: none;

    &:focus {
      outline: none;
    }

    &::placeholder {
      color: var(--wa-form-control-placeholder-color);
    }
  }

  /* Manage spacing when tags are present */
  :host([multiple]) {
    --_padding-with-tags: calc(var(--wa-form-control-height) * 0.1 - var(--wa-form-control-border-width));

    & .combobox:has(.tags wa-tag) {
      padding-block: var(--_padding-with-tags);
      padding-inline-start: var(--_padding-with-tags);
    }
  }

  /* Visually hide the display input when multiple is enabled */
  :host([multiple]) .combobox:has(.tags wa-tag) .display-input {
    position: absolute;
    z-index: -1;
    top: 0;
    left: 0;
    width: 100%;
    height: 100%;
    opacity: 0;
  }

  .value-input {
    position: absolute;
    z-index: -1;
    top: 0;
    left: 0;
    width: 100%;
    height: 100%;
    opacity: 0;
    padding: 0;
    margin: 0;
  }

  .tags {
    display: flex;
    flex: 1;
    align-items: center;
    flex-wrap: wrap;
    gap: 0.25em;

    /* Nested inside the box, so a step down from the box's radius */
    & wa-tag:not([pill]) {
      border-radius: var(--wa-border-radius-s);
    }

    .disabled & {
      cursor: not-allowed !important;
    }
  }

  /* Start and End */

  .start,
  .end {
    flex: 0;
    display: inline-flex;
    align-items: center;
    color: var(--wa-color-neutral-on-quiet);
  }

  .end::slotted(*) {
    margin-inline-start: var(--wa-form-control-padding-inline);
  }

  .start::slotted(*) {
    margin-inline-end: var(--wa-form-control-padding-inline);
  }

  :host([multiple]) .combobox:has(.tags wa-tag) .start::slotted(*) {
    margin-inline-start: calc(var(--wa-form-control-padding-inline) - var(--_padding-with-tags));
  }

  /* Clear button */
  [part~='clear-button'] {
    flex: 0 0 auto;
    display: inline-flex;
    align-self: stretch;
    align-items: center;
    justify-content: center;
    inline-size: 1.5em;
    font-size: inherit;
    color: var(--wa-color-neutral-on-quiet);
    border: none;
    background: none;
    padding: 0;
    transition: color var(--wa-transition-normal);
    cursor: pointer;
    /* The box is wider than the glyph, so overhang half that growth on each side. Keeps the glyph
       on the same trailing axis as the segmented-field pickers' clear buttons. */
    margin-inline-start: calc(var(--wa-form-control-padding-inline) - 0.125em);
    margin-inline-end: -0.125em;

    &:focus {
      outline: none;
    }

    @media (hover: hover) {
      &:hover {
        color: color-mix(in oklab, currentColor, var(--wa-color-mix-hover));
      }
    }

    &:active {
      color: color-mix(in oklab, currentColor, var(--wa-color-mix-active));
    }
  }

  /* Expand icon */
  .expand-icon {
    flex: 0 0 auto;
    display: flex;
    align-items: center;
    color: var(--wa-color-neutral-on-quiet);
    transition: rotate var(--wa-transition-slow) var(--wa-transition-easing);
    rotate: 0deg;
    margin-inline-start: var(--wa-form-control-padding-inline);

    .open & {
      rotate: -180deg;
    }
  }

  /* Listbox */
  .listbox {
    display: block;
    position: relative;
    font: inherit;
    box-shadow: var(--wa-shadow-m);
    background: var(--wa-color-surface-raised);
    border-color: var(--wa-color-surface-border);
    border-radius: var(--wa-border-radius-m);
    border-style: var(--wa-border-style);
    border-width: var(--wa-border-width-s);
    padding: 0.25em;
    overflow: auto;
    overscroll-behavior: none;

    /* Make sure it adheres to the popup's auto size */
    max-width: var(--auto-size-available-width);
    max-height: var(--auto-size-available-height);

    &::slotted(wa-divider) {
      --spacing: 0.5em;
    }
  }

  /* Space options with half the listbox's padding */
  .listbox slot:not([name]) {
    display: flex;
    flex-direction: column;
    gap: 0.125em;
  }

  slot:not([name])::slotted(small) {
    display: block;
    font-size: var(--wa-font-size-smaller);
    font-weight: var(--wa-font-weight-semibold);
    color: var(--wa-color-text-quiet);
    padding-block: 0.5em;
    padding-inline: 2.25em;
  }
`;var qr=(e={})=>{let{validationElement:t,validationProperty:i}=e;t||typeof document<"u"&&"createElement"in document&&(t=Object.assign(document.createElement("input"),{required:!0})),i||(i="value");let o={observedAttributes:["required"],message:t?.validationMessage,checkValidity(r){let s={message:"",isValid:!0,invalidKeys:[]};return(r.required??r.hasAttribute("required"))&&!r[i]&&(s.message=typeof o.message=="function"?o.message(r):o.message||"",s.isValid=!1,s.invalidKeys.push("valueMissing")),s}};return o};function fo(e,t){return new Promise(i=>{function o(r){r.target===e&&(e.removeEventListener(t,o),i())}e.addEventListener(t,o)})}var Pe=class extends Ft{constructor(t){if(super(t),this.it=H,t.type!==ft.CHILD)throw Error(this.constructor.directiveName+"() can only be used in child bindings")}render(t){if(t===H||t==null)return this._t=void 0,this.it=t;if(t===rt)return t;if(typeof t!="string")throw Error(this.constructor.directiveName+"() called with a non-string value");if(t===this.it)return this._t;this.it=t;let i=[t];return i.raw=i,this._t={_$litType$:this.constructor.resultType,strings:i,values:[]}}};Pe.directiveName="unsafeHTML",Pe.resultType=1;var Ur=pe(Pe);var D=class extends et{constructor(){super(...arguments),this.assumeInteractionOn=["blur","input"],this.cachedOptions=null,this.hasSlotController=new xt(this,"hint","label"),this.localize=new K(this),this.selectionOrder=new Map,this.typeToSelectString="",this.slotChangePending=!1,this.displayLabel="",this.selectedOptions=[],this.name="",this._defaultValue=null,this.size="m",this.placeholder="",this.multiple=!1,this.maxOptionsVisible=3,this.disabled=!1,this.withClear=!1,this.open=!1,this.appearance="outlined",this.pill=!1,this.label="",this.placement="bottom",this.hint="",this.withLabel=!1,this.withHint=!1,this.required=!1,this.getTag=e=>S`
        <wa-tag
          part="tag"
          exportparts="
            base:tag__base,
            content:tag__content,
            remove-button:tag__remove-button,
            remove-button__base:tag__remove-button__base
          "
          ?pill=${this.pill}
          size=${this.size}
          with-remove
          data-value=${e.value}
          @wa-remove=${t=>this.handleTagRemove(t,e)}
        >
          ${e.label}
        </wa-tag>
      `,this.handleDocumentFocusIn=e=>{let t=e.composedPath();this&&!t.includes(this)&&this.hide()},this.handleDocumentKeyDown=e=>{let t=e.target,i=t.closest('[part~="clear-button"]')!==null,o=t.closest("wa-button")!==null;if(!(i||o)){if(e.key==="Escape"&&this.open&&_e(this)&&(e.preventDefault(),e.stopPropagation(),this.hide(),this.displayInput.focus({preventScroll:!0})),e.key==="Enter"||e.key===" "&&this.typeToSelectString===""){if(e.preventDefault(),e.stopImmediatePropagation(),!this.open){this.show();return}this.currentOption&&!this.currentOption.disabled&&(this.valueHasChanged=!0,this.hasInteracted=!0,this.multiple?this.toggleOptionSelection(this.currentOption):this.setSelectedOptions(this.currentOption),this.updateComplete.then(()=>{this.dispatchEvent(new InputEvent("input",{bubbles:!0,composed:!0})),this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0}))}),this.multiple||(this.hide(),this.displayInput.focus({preventScroll:!0})));return}if(["ArrowUp","ArrowDown","Home","End"].includes(e.key)){let r=this.getAllOptions(),s=r.indexOf(this.currentOption),n=Math.max(0,s);if(e.preventDefault(),!this.open&&(this.show(),this.currentOption))return;e.key==="ArrowDown"?(n=s+1,n>r.length-1&&(n=0)):e.key==="ArrowUp"?(n=s-1,n<0&&(n=r.length-1)):e.key==="Home"?n=0:e.key==="End"&&(n=r.length-1),this.setCurrentOption(r[n])}if(e.key?.length===1||e.key==="Backspace"){let r=this.getAllOptions();if(e.metaKey||e.ctrlKey||e.altKey)return;if(!this.open){if(e.key==="Backspace")return;this.show()}e.stopPropagation(),e.preventDefault(),clearTimeout(this.typeToSelectTimeout),this.typeToSelectTimeout=window.setTimeout(()=>this.typeToSelectString="",1e3),e.key==="Backspace"?this.typeToSelectString=this.typeToSelectString.slice(0,-1):this.typeToSelectString+=e.key.toLowerCase();for(let s of r)if(s.label.toLowerCase().startsWith(this.typeToSelectString)){this.setCurrentOption(s);break}}}},this.handleDocumentMouseDown=e=>{let t=e.composedPath();this&&!t.includes(this)&&this.hide()}}static get validators(){let e=[qr({validationElement:Object.assign(document.createElement("select"),{required:!0})})];return[...super.validators,...e]}get validationTarget(){return this.valueInput}set defaultValue(e){this._defaultValue=this.convertDefaultValue(e)}get defaultValue(){return this.convertDefaultValue(this._defaultValue)}rawValuesEqual(e,t){return e==null&&t==null?!0:e==null||t==null||e.length!==t.length?!1:e.every((i,o)=>i===t[o])}convertDefaultValue(e){return!(this.multiple||this.hasAttribute("multiple"))&&Array.isArray(e)&&(e=e[0]),e}set value(e){let t=this.value;e instanceof FormData&&(e=e.getAll(this.name)),e!=null&&!Array.isArray(e)&&(e=[e]);let i=this._value;this._value=e??null,this.rawValuesEqual(i,this._value)||(this.valueHasChanged=!0,this.requestUpdate("value",t))}get value(){let e=this._value??this.defaultValue??null;e!=null&&(e=Array.isArray(e)?e:[e]),this.optionValues=new Set(this.getAllOptions().filter(i=>!i.disabled).map(i=>i.value));let t=e;return e!=null&&(t=e.filter(i=>this.optionValues.has(i)),t=this.multiple?t:t[0],t=t??null),t}handleSizeChange(){ut(this.localName,this.size)}connectedCallback(){super.connectedCallback(),this.processSlotChange(),this.open=!1}disconnectedCallback(){super.disconnectedCallback(),this.removeOpenListeners(),this.cachedOptions=null}updateDefaultValue(){let t=this.getAllOptions().filter(i=>i.hasAttribute("selected")||i.defaultSelected);if(t.length>0){let i=t.map(o=>o.value);this._defaultValue=this.multiple?i:i[0]}this.hasAttribute("value")&&(this._defaultValue=this.getAttribute("value")||null)}addOpenListeners(){document.addEventListener("focusin",this.handleDocumentFocusIn),document.addEventListener("keydown",this.handleDocumentKeyDown),document.addEventListener("mousedown",this.handleDocumentMouseDown),fi(this),this.getRootNode()!==document&&this.getRootNode().addEventListener("focusin",this.handleDocumentFocusIn)}removeOpenListeners(){document.removeEventListener("focusin",this.handleDocumentFocusIn),document.removeEventListener("keydown",this.handleDocumentKeyDown),document.removeEventListener("mousedown",this.handleDocumentMouseDown),ze(this),this.getRootNode()!==document&&this.getRootNode().removeEventListener("focusin",this.handleDocumentFocusIn)}handleFocus(){this.displayInput.setSelectionRange(0,0)}handleLabelClick(){this.displayInput.focus()}handleComboboxClick(e){e.preventDefault()}handleComboboxMouseDown(e){let i=e.composedPath().some(o=>o instanceof Element&&o.tagName.toLowerCase()==="wa-button");this.disabled||i||(e.preventDefault(),this.displayInput.focus({preventScroll:!0}),this.open=!this.open)}handleComboboxKeyDown(e){e.stopPropagation(),this.handleDocumentKeyDown(e)}handleClearClick(e){e.stopPropagation(),this.hasInteracted=!0,this.valueHasChanged=!0,this.value!==null&&(this.displayLabel="",this.selectionOrder.clear(),this.setSelectedOptions([]),this.displayInput.focus({preventScroll:!0}),this.updateComplete.then(()=>{this.dispatchEvent(new gi),this.dispatchEvent(new InputEvent("input",{bubbles:!0,composed:!0})),this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0}))}))}handleClearMouseDown(e){e.stopPropagation(),e.preventDefault()}handleOptionClick(e){let i=e.target.closest("wa-option");i&&!i.disabled&&(this.hasInteracted=!0,this.valueHasChanged=!0,this.multiple?this.toggleOptionSelection(i):this.setSelectedOptions(i),this.updateComplete.then(()=>this.displayInput.focus({preventScroll:!0})),this.requestUpdate("value"),this.updateComplete.then(()=>{this.dispatchEvent(new InputEvent("input",{bubbles:!0,composed:!0})),this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0}))}),this.multiple||(this.hide(),this.displayInput.focus({preventScroll:!0})))}handleDefaultSlotChange(){this.slotChangePending||(this.slotChangePending=!0,queueMicrotask(()=>{this.slotChangePending=!1,this.processSlotChange()}))}processSlotChange(){if(customElements.get("wa-option")||customElements.whenDefined("wa-option").then(()=>this.handleDefaultSlotChange()),this.didSSR&&!this.hasUpdated){this.updateComplete.then(()=>{this.handleDefaultSlotChange()});return}this.cachedOptions=null;let e=this.getAllOptions();this.updateDefaultValue();let t=this.value;if(t==null||!this.valueHasChanged&&!this.hasInteracted){this.selectionChanged();return}Array.isArray(t)||(t=[t]);let i=e.filter(o=>t.includes(o.value));this.setSelectedOptions(i)}handleTagRemove(e,t){if(e.stopPropagation(),this.disabled)return;this.hasInteracted=!0,this.valueHasChanged=!0;let i=t;if(!i){let o=e.target.closest("wa-tag[data-value]");if(o){let r=o.dataset.value;i=this.selectedOptions.find(s=>s.value===r)}}i&&(this.toggleOptionSelection(i,!1),this.updateComplete.then(()=>{this.dispatchEvent(new InputEvent("input",{bubbles:!0,composed:!0})),this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0}))}))}getAllOptions(){return this.cachedOptions?this.cachedOptions:this?.querySelectorAll?(this.cachedOptions=[...this.querySelectorAll("wa-option")],this.cachedOptions):[]}getFirstOption(){return this.querySelector("wa-option")}setCurrentOption(e){this.getAllOptions().forEach(i=>{i.current=!1,i.tabIndex=-1}),e&&(this.currentOption=e,e.current=!0,e.tabIndex=0,e.focus({preventScroll:!0}),this.open&&!this.listbox.hidden&&po(e,this.listbox,"vertical","auto"))}setSelectedOptions(e){let t=this.getAllOptions(),i=Array.isArray(e)?e:[e];t.forEach(o=>{i.includes(o)||(o.selected=!1)}),i.length&&i.forEach(o=>o.selected=!0),this.selectionChanged()}toggleOptionSelection(e,t){t===!0||t===!1?e.selected=t:e.selected=!e.selected,this.selectionChanged()}selectionChanged(){let t=this.getAllOptions().filter(n=>{if(!this.hasInteracted&&!this.valueHasChanged){let a=this.defaultValue,l=Array.isArray(a)?a:[a];return n.hasAttribute("selected")||n.defaultSelected||n.selected||l?.includes(n.value)}return n.selected}),i=new Set(t.map(n=>n.value));for(let n of this.selectionOrder.keys())i.has(n)||this.selectionOrder.delete(n);let r=(this.selectionOrder.size>0?Math.max(...this.selectionOrder.values()):-1)+1;for(let n of t)this.selectionOrder.has(n.value)||this.selectionOrder.set(n.value,r++);this.selectedOptions=t.sort((n,a)=>{let l=this.selectionOrder.get(n.value)??0,c=this.selectionOrder.get(a.value)??0;return l-c});let s=new Set(this.selectedOptions.map(n=>n.value));if(s.size>0||this._value){let n=this._value;if(this._value==null){let a=this.defaultValue??[];this._value=Array.isArray(a)?a:[a]}this._value=this._value?.filter(a=>!this.optionValues?.has(a))??null,this._value?.unshift(...s),this.requestUpdate("value",n)}if(this.multiple)this.placeholder&&!this.value?.length?this.displayLabel="":this.displayLabel=this.localize.term("numOptionsSelected",this.selectedOptions.length);else{let n=this.selectedOptions[0];this.displayLabel=n?.label??""}this.updateComplete.then(()=>{this.updateValidity()})}get tags(){return this.selectedOptions.map((e,t)=>{if(t<this.maxOptionsVisible||this.maxOptionsVisible<=0){let i=this.getTag(e,t);return i?typeof i=="string"?Ur(i):i:null}else if(t===this.maxOptionsVisible)return S`
          <wa-tag
            part="tag"
            exportparts="
              base:tag__base,
              content:tag__content,
              remove-button:tag__remove-button,
              remove-button__base:tag__remove-button__base
            "
            ?pill=${this.pill}
            size=${this.size}
            >+${this.selectedOptions.length-t}</wa-tag
          >
        `;return null})}updated(e){super.updated(e),(e.has("value")||e.has("displayLabel"))&&this.customStates.set("blank",!this.value&&!this.displayLabel)}handleDisabledChange(){this.disabled&&this.open&&(this.open=!1)}handleValueChange(){let e=this.getAllOptions(),t=Array.isArray(this.value)?this.value:[this.value],i=e.filter(o=>t.includes(o.value));this.setSelectedOptions(i),this.updateValidity()}async handleOpenChange(){if(this.open&&!this.disabled){this.setCurrentOption(this.selectedOptions[0]||this.getFirstOption());let e=new hi;if(this.dispatchEvent(e),e.defaultPrevented){this.open=!1;return}this.addOpenListeners(),this.listbox.hidden=!1,this.popup.active=!0,requestAnimationFrame(()=>{this.setCurrentOption(this.currentOption)}),await Bt(this.popup.popup,"show"),this.currentOption&&po(this.currentOption,this.listbox,"vertical","auto"),this.dispatchEvent(new mi)}else{let e=new ui;if(this.dispatchEvent(e),e.defaultPrevented){this.open=!1;return}this.removeOpenListeners(),await Bt(this.popup.popup,"hide"),this.listbox.hidden=!0,this.popup.active=!1,this.dispatchEvent(new pi)}}async show(){if(this.open||this.disabled){this.open=!1;return}return this.open=!0,fo(this,"wa-after-show")}async hide(){if(!this.open||this.disabled){this.open=!1;return}return this.open=!1,fo(this,"wa-after-hide")}focus(e){this.displayInput.focus(e)}blur(){this.displayInput.blur()}formResetCallback(){this.selectionOrder.clear(),this.value=this.defaultValue,super.formResetCallback(),this.handleValueChange(),this.updateComplete.then(()=>{this.dispatchEvent(new InputEvent("input",{bubbles:!0,composed:!0})),this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0}))})}render(){let e=this.hasSlotController.test("label","withLabel"),t=this.hasSlotController.test("hint","withHint"),i=this.label?!0:!!e,o=this.hint?!0:!!t,r=(this.hasUpdated||!1)&&this.withClear&&!this.disabled&&(this.displayLabel||this.value&&this.value.length>0);return S`
      <div
        part="form-control"
        class=${it({"form-control":!0,"form-control-has-label":i})}
      >
        <label
          id="label"
          part="form-control-label label"
          class=${it({label:!0,"has-label":i})}
          aria-hidden=${i?"false":"true"}
          @click=${this.handleLabelClick}
        >
          <slot name="label">${this.label}</slot>
        </label>

        <div part="form-control-input" class="form-control-input">
          <wa-popup
            class=${it({select:!0,open:this.open,disabled:this.disabled,enabled:!this.disabled,multiple:this.multiple})}
            placement=${this.placement}
            flip
            shift
            sync="width"
            auto-size="vertical"
            auto-size-padding="10"
          >
            <div
              part="combobox"
              class="combobox"
              slot="anchor"
              @keydown=${this.handleComboboxKeyDown}
              @mousedown=${this.handleComboboxMouseDown}
              @click=${this.handleComboboxClick}
            >
              <slot part="start" name="start" class="start"></slot>

              <input
                part="display-input"
                class="display-input"
                type="text"
                placeholder=${this.placeholder}
                .disabled=${this.disabled}
                .value=${this.displayLabel}
                ?required=${this.required}
                autocomplete="off"
                spellcheck="false"
                autocapitalize="off"
                readonly
                aria-invalid=${!this.validity.valid}
                aria-controls="listbox"
                aria-expanded=${this.open?"true":"false"}
                aria-haspopup="listbox"
                aria-labelledby="label"
                aria-disabled=${this.disabled?"true":"false"}
                aria-describedby="hint"
                role="combobox"
                tabindex="0"
                @focus=${this.handleFocus}
              />

              <!-- Tags need to wait for first hydration before populating otherwise it will create a hydration mismatch. -->
              ${this.multiple&&this.hasUpdated?S`<div part="tags" class="tags" @wa-remove=${this.handleTagRemove}>${this.tags}</div>`:""}

              <input
                class="value-input"
                type="text"
                ?disabled=${this.disabled}
                ?required=${this.required}
                .value=${Array.isArray(this.value)?this.value.join(", "):this.value}
                tabindex="-1"
                aria-hidden="true"
                @focus=${()=>this.focus()}
              />

              ${r?S`
                    <button
                      part="clear-button"
                      type="button"
                      aria-label=${this.localize.term("clearEntry")}
                      @mousedown=${this.handleClearMouseDown}
                      @click=${this.handleClearClick}
                      tabindex="-1"
                    >
                      <slot name="clear-icon">
                        <wa-icon name="circle-xmark" library="system" variant="regular"></wa-icon>
                      </slot>
                    </button>
                  `:""}

              <slot name="end" part="end" class="end"></slot>

              <slot name="expand-icon" part="expand-icon" class="expand-icon">
                <wa-icon library="system" name="chevron-down" variant="solid"></wa-icon>
              </slot>
            </div>

            <div
              id="listbox"
              role="listbox"
              aria-expanded=${this.open?"true":"false"}
              aria-multiselectable=${this.multiple?"true":"false"}
              aria-labelledby="label"
              part="listbox"
              class="listbox"
              tabindex="-1"
              @mouseup=${this.handleOptionClick}
            >
              <slot @slotchange=${this.handleDefaultSlotChange}></slot>
            </div>
          </wa-popup>
        </div>

        <slot
          id="hint"
          name="hint"
          part="hint"
          class=${it({"has-slotted":o})}
          aria-hidden=${o?"false":"true"}
          >${this.hint}</slot
        >
      </div>
    `}};D.css=[Vr,me,pt];u([V(".select")],D.prototype,"popup",2);u([V(".combobox")],D.prototype,"combobox",2);u([V(".display-input")],D.prototype,"displayInput",2);u([V(".value-input")],D.prototype,"valueInput",2);u([V(".listbox")],D.prototype,"listbox",2);u([O()],D.prototype,"displayLabel",2);u([O()],D.prototype,"currentOption",2);u([O()],D.prototype,"selectedOptions",2);u([g({reflect:!0})],D.prototype,"name",2);u([g({attribute:!1})],D.prototype,"defaultValue",1);u([g({attribute:"value",reflect:!1})],D.prototype,"value",1);u([g({reflect:!0})],D.prototype,"size",2);u([X("size")],D.prototype,"handleSizeChange",1);u([g()],D.prototype,"placeholder",2);u([g({type:Boolean,reflect:!0})],D.prototype,"multiple",2);u([g({attribute:"max-options-visible",type:Number})],D.prototype,"maxOptionsVisible",2);u([g({type:Boolean})],D.prototype,"disabled",2);u([g({attribute:"with-clear",type:Boolean})],D.prototype,"withClear",2);u([g({type:Boolean,reflect:!0})],D.prototype,"open",2);u([g({reflect:!0})],D.prototype,"appearance",2);u([g({type:Boolean,reflect:!0})],D.prototype,"pill",2);u([g()],D.prototype,"label",2);u([g({reflect:!0})],D.prototype,"placement",2);u([g({attribute:"hint"})],D.prototype,"hint",2);u([g({attribute:"with-label",type:Boolean})],D.prototype,"withLabel",2);u([g({attribute:"with-hint",type:Boolean})],D.prototype,"withHint",2);u([g({type:Boolean,reflect:!0})],D.prototype,"required",2);u([g({attribute:!1})],D.prototype,"getTag",2);u([X("disabled",{waitUntilFirstUpdate:!0})],D.prototype,"handleDisabledChange",1);u([X("value",{waitUntilFirstUpdate:!0})],D.prototype,"handleValueChange",1);u([X("open",{waitUntilFirstUpdate:!0})],D.prototype,"handleOpenChange",1);D=u([F("wa-select")],D);D.disableWarning?.("change-in-update");var jr=class extends Event{constructor(){super("wa-remove",{bubbles:!0,cancelable:!1,composed:!0})}};var Xr=I`
  @layer wa-component {
    :host {
      display: inline-flex;
      gap: 0.5em;
      border-radius: var(--wa-border-radius-m);
      align-items: center;
      background-color: var(--wa-color-fill-quiet, var(--wa-color-neutral-fill-quiet));
      border-color: var(--wa-color-border-normal, var(--wa-color-neutral-border-normal));
      border-style: var(--wa-border-style);
      border-width: var(--wa-border-width-s);
      color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
      font-size: inherit;
      line-height: 1;
      white-space: nowrap;
      user-select: none;
      -webkit-user-select: none;
      height: calc(var(--wa-form-control-height) * 0.8);
      line-height: calc(var(--wa-form-control-height) - var(--wa-form-control-border-width) * 2);
      padding: 0 0.75em;
    }

    /* Appearance modifiers */
    :host([appearance='outlined']) {
      color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
      background-color: transparent;
      border-color: var(--wa-color-border-loud, var(--wa-color-neutral-border-loud));
    }

    :host([appearance='filled']) {
      color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
      background-color: var(--wa-color-fill-quiet, var(--wa-color-neutral-fill-quiet));
      border-color: transparent;
    }

    :host([appearance='filled-outlined']) {
      color: var(--wa-color-on-quiet, var(--wa-color-neutral-on-quiet));
      background-color: var(--wa-color-fill-quiet, var(--wa-color-neutral-fill-quiet));
      border-color: var(--wa-color-border-normal, var(--wa-color-neutral-border-normal));
    }

    :host([appearance='accent']) {
      color: var(--wa-color-on-loud, var(--wa-color-neutral-on-loud));
      background-color: var(--wa-color-fill-loud, var(--wa-color-neutral-fill-loud));
      border-color: transparent;
    }
  }

  .content {
    font-size: var(--wa-font-size-smaller);
  }

  [part='remove-button'] {
    line-height: 1;
  }

  [part='remove-button']::part(base) {
    padding: 0;
    height: 1em;
    width: 1em;
    color: currentColor;
  }

  @media (hover: hover) {
    :host(:hover) > [part='remove-button']::part(base) {
      background-color: transparent;
      color: color-mix(in oklab, currentColor, var(--wa-color-mix-hover));
    }
  }

  :host(:active) > [part='remove-button']::part(base) {
    background-color: transparent;
    color: color-mix(in oklab, currentColor, var(--wa-color-mix-active));
  }

  /*
   * Pill modifier
   */
  :host([pill]) {
    border-radius: var(--wa-border-radius-pill);
  }
`;var Rt=class extends Y{constructor(){super(...arguments),this.localize=new K(this),this.variant="neutral",this.appearance="filled-outlined",this.size="m",this.pill=!1,this.withRemove=!1}handleSizeChange(){ut(this.localName,this.size)}handleRemoveClick(){this.dispatchEvent(new jr)}render(){return S`
      <slot part="content" class="content"></slot>

      ${this.withRemove?S`
            <wa-button
              part="remove-button"
              exportparts="base:remove-button__base"
              class="remove"
              appearance="plain"
              size=${this.size}
              @click=${this.handleRemoveClick}
              tabindex="-1"
            >
              <wa-icon name="xmark" library="system" variant="solid" label=${this.localize.term("remove")}></wa-icon>
            </wa-button>
          `:""}
    `}};Rt.css=[Xr,he,pt];u([g({reflect:!0})],Rt.prototype,"variant",2);u([g({reflect:!0})],Rt.prototype,"appearance",2);u([g({reflect:!0})],Rt.prototype,"size",2);u([X("size")],Rt.prototype,"handleSizeChange",1);u([g({type:Boolean,reflect:!0})],Rt.prototype,"pill",2);u([g({attribute:"with-remove",type:Boolean})],Rt.prototype,"withRemove",2);Rt=u([F("wa-tag")],Rt);var Yr=class extends Event{constructor(){super("wa-reposition",{bubbles:!0,cancelable:!1,composed:!0})}};var Kr=I`
  :host {
    --arrow-color: black;
    --arrow-size: var(--wa-tooltip-arrow-size);
    --popup-border-width: 0px;
    --show-duration: var(--wa-transition-fast);
    --hide-duration: var(--wa-transition-fast);

    /*
     * These properties are computed to account for the arrow's dimensions after being rotated 45º. The constant
     * 0.7071 is derived from sin(45) to calculate the length of the arrow after rotation.
     *
     * The diamond will be translated inward by --arrow-base-offset, the border thickness, to centralise it on
     * the inner edge of the popup border. This also means we need to increase the size of the arrow by the
     * same amount to compensate.
     *
     * A diamond shaped clipping mask is used to avoid overlap of popup content. This extends slightly inward so
     * the popup border is covered with no sub-pixel rounding artifacts. The diamond corners are mitred at 22.5º
     * to properly merge any arrow border with the popup border. The constant 1.4142 is derived from 1 + tan(22.5).
     *
     */
    --arrow-base-offset: var(--popup-border-width);
    --arrow-size-diagonal: calc((var(--arrow-size) + var(--arrow-base-offset)) * 0.7071);
    --arrow-padding-offset: calc(var(--arrow-size-diagonal) - var(--arrow-size));
    --arrow-size-div: calc(var(--arrow-size-diagonal) * 2);
    --arrow-clipping-corner: calc(var(--arrow-base-offset) * 1.4142);

    display: contents;
  }

  .popup {
    position: absolute;
    isolation: isolate;
    max-width: var(--auto-size-available-width, none);
    max-height: var(--auto-size-available-height, none);

    /* Clear UA styles for [popover] */
    :where(&) {
      inset: unset;
      padding: unset;
      margin: unset;
      width: unset;
      height: unset;
      color: unset;
      background: unset;
      border: unset;
      overflow: unset;
    }
  }

  .popup-fixed {
    position: fixed;
  }

  .popup:not(.popup-active) {
    display: none;
  }

  .arrow {
    position: absolute;
    width: var(--arrow-size-div);
    height: var(--arrow-size-div);
    background: var(--arrow-color);
    z-index: 3;
    clip-path: polygon(
      var(--arrow-clipping-corner) 100%,
      var(--arrow-base-offset) calc(100% - var(--arrow-base-offset)),
      calc(var(--arrow-base-offset) - 2px) calc(100% - var(--arrow-base-offset)),
      calc(100% - var(--arrow-base-offset)) calc(var(--arrow-base-offset) - 2px),
      calc(100% - var(--arrow-base-offset)) var(--arrow-base-offset),
      100% var(--arrow-clipping-corner),
      100% 100%
    );
    rotate: 45deg;
  }

  :host([data-current-placement|='left']) .arrow {
    rotate: -45deg;
  }

  :host([data-current-placement|='right']) .arrow {
    rotate: 135deg;
  }

  :host([data-current-placement|='bottom']) .arrow {
    rotate: 225deg;
  }

  /* Hover bridge */
  .popup-hover-bridge:not(.popup-hover-bridge-visible) {
    display: none;
  }

  .popup-hover-bridge {
    position: fixed;
    z-index: 899;
    top: 0;
    right: 0;
    bottom: 0;
    left: 0;
    clip-path: polygon(
      var(--hover-bridge-top-left-x, 0) var(--hover-bridge-top-left-y, 0),
      var(--hover-bridge-top-right-x, 0) var(--hover-bridge-top-right-y, 0),
      var(--hover-bridge-bottom-right-x, 0) var(--hover-bridge-bottom-right-y, 0),
      var(--hover-bridge-bottom-left-x, 0) var(--hover-bridge-bottom-left-y, 0)
    );
  }

  /* Built-in animations */
  .show {
    animation: show var(--show-duration) ease;
  }

  .hide {
    animation: show var(--hide-duration) ease reverse;
  }

  @keyframes show {
    from {
      opacity: 0;
    }
    to {
      opacity: 1;
    }
  }

  .show-with-scale {
    animation: show-with-scale var(--show-duration) ease;
  }

  .hide-with-scale {
    animation: show-with-scale var(--hide-duration) ease reverse;
  }

  @keyframes show-with-scale {
    from {
      opacity: 0;
      scale: 0.8;
    }
    to {
      opacity: 1;
      scale: 1;
    }
  }
`;var St=Math.min,vt=Math.max,Oe=Math.round,Te=Math.floor,Lt=e=>({x:e,y:e}),aa={left:"right",right:"left",bottom:"top",top:"bottom"};function go(e,t,i){return vt(e,St(t,i))}function Zt(e,t){return typeof e=="function"?e(t):e}function Wt(e){return e.split("-")[0]}function Qt(e){return e.split("-")[1]}function vo(e){return e==="x"?"y":"x"}function bi(e){return e==="y"?"height":"width"}function Et(e){let t=e[0];return t==="t"||t==="b"?"y":"x"}function yi(e){return vo(Et(e))}function Zr(e,t,i){i===void 0&&(i=!1);let o=Qt(e),r=yi(e),s=bi(r),n=r==="x"?o===(i?"end":"start")?"right":"left":o==="start"?"bottom":"top";return t.reference[s]>t.floating[s]&&(n=Me(n)),[n,Me(n)]}function Qr(e){let t=Me(e);return[wi(e),t,wi(t)]}function wi(e){return e.includes("start")?e.replace("start","end"):e.replace("end","start")}var Gr=["left","right"],Jr=["right","left"],la=["top","bottom"],ca=["bottom","top"];function da(e,t,i){switch(e){case"top":case"bottom":return i?t?Jr:Gr:t?Gr:Jr;case"left":case"right":return t?la:ca;default:return[]}}function ts(e,t,i,o){let r=Qt(e),s=da(Wt(e),i==="start",o);return r&&(s=s.map(n=>n+"-"+r),t&&(s=s.concat(s.map(wi)))),s}function Me(e){let t=Wt(e);return aa[t]+e.slice(t.length)}function ha(e){var t,i,o,r;return{top:(t=e.top)!=null?t:0,right:(i=e.right)!=null?i:0,bottom:(o=e.bottom)!=null?o:0,left:(r=e.left)!=null?r:0}}function wo(e){return typeof e!="number"?ha(e):{top:e,right:e,bottom:e,left:e}}function te(e){let{x:t,y:i,width:o,height:r}=e;return{width:o,height:r,top:i,left:t,right:t+o,bottom:i+r,x:t,y:i}}function es(e,t,i){let{reference:o,floating:r}=e,s=Et(t),n=yi(t),a=bi(n),l=Wt(t),c=s==="y",d=o.x+o.width/2-r.width/2,h=o.y+o.height/2-r.height/2,f=o[a]/2-r[a]/2,p;switch(l){case"top":p={x:d,y:o.y-r.height};break;case"bottom":p={x:d,y:o.y+o.height};break;case"right":p={x:o.x+o.width,y:h};break;case"left":p={x:o.x-r.width,y:h};break;default:p={x:o.x,y:o.y}}let m=Qt(t);return m&&(p[n]+=f*(m==="end"?1:-1)*(i&&c?-1:1)),p}async function is(e,t){var i;t===void 0&&(t={});let{x:o,y:r,platform:s,rects:n,elements:a,strategy:l}=e,{boundary:c="clippingAncestors",rootBoundary:d="viewport",elementContext:h="floating",altBoundary:f=!1,padding:p=0}=Zt(t,e),m=wo(p),b=a[f?h==="floating"?"reference":"floating":h],w=te(await s.getClippingRect({element:(i=await(s.isElement==null?void 0:s.isElement(b)))==null||i?b:b.contextElement||await(s.getDocumentElement==null?void 0:s.getDocumentElement(a.floating)),boundary:c,rootBoundary:d,strategy:l})),L=h==="floating"?{x:o,y:r,width:n.floating.width,height:n.floating.height}:n.reference,k=await(s.getOffsetParent==null?void 0:s.getOffsetParent(a.floating)),C=await(s.isElement==null?void 0:s.isElement(k))&&await(s.getScale==null?void 0:s.getScale(k))||{x:1,y:1},$=te(s.convertOffsetParentRelativeRectToViewportRelativeRect?await s.convertOffsetParentRelativeRectToViewportRelativeRect({elements:a,rect:L,offsetParent:k,strategy:l}):L);return{top:(w.top-$.top+m.top)/C.y,bottom:($.bottom-w.bottom+m.bottom)/C.y,left:(w.left-$.left+m.left)/C.x,right:($.right-w.right+m.right)/C.x}}var ua=50,os=async(e,t,i)=>{let{placement:o="bottom",strategy:r="absolute",middleware:s=[],platform:n}=i,a=n.detectOverflow?n:{...n,detectOverflow:is},l=await(n.isRTL==null?void 0:n.isRTL(t)),c=await n.getElementRects({reference:e,floating:t,strategy:r}),{x:d,y:h}=es(c,o,l),f=o,p=0,m={};for(let v=0;v<s.length;v++){let b=s[v];if(!b)continue;let{name:w,fn:L}=b,{x:k,y:C,data:$,reset:E}=await L({x:d,y:h,initialPlacement:o,placement:f,strategy:r,middlewareData:m,rects:c,platform:a,elements:{reference:e,floating:t}});d=k??d,h=C??h,m[w]={...m[w],...$},E&&p<ua&&(p++,typeof E=="object"&&(E.placement&&(f=E.placement),E.rects&&(c=E.rects===!0?await n.getElementRects({reference:e,floating:t,strategy:r}):E.rects),{x:d,y:h}=es(c,f,l)),v=-1)}return{x:d,y:h,placement:f,strategy:r,middlewareData:m}},rs=e=>({name:"arrow",options:e,async fn(t){let{x:i,y:o,placement:r,rects:s,platform:n,elements:a,middlewareData:l}=t,{element:c,padding:d=0}=Zt(e,t)||{};if(c==null)return{};let h=wo(d),f={x:i,y:o},p=yi(r),m=bi(p),v=await n.getDimensions(c),b=p==="y",w=b?"top":"left",L=b?"bottom":"right",k=b?"clientHeight":"clientWidth",C=s.reference[m]+s.reference[p]-f[p]-s.floating[m],$=f[p]-s.reference[p],E=await(n.getOffsetParent==null?void 0:n.getOffsetParent(c)),y=E?E[k]:0;(!y||!await(n.isElement==null?void 0:n.isElement(E)))&&(y=a.floating[k]||s.floating[m]);let _=C/2-$/2,A=y/2-v[m]/2-1,x=St(h[w],A),z=St(h[L],A),M=y-v[m]-z,W=y/2-v[m]/2+_,U=go(x,W,M),Q=!l.arrow&&Qt(r)!=null&&W!==U&&s.reference[m]/2-(W<x?x:z)-v[m]/2<0,at=Q?W<x?W-x:W-M:0;return{[p]:f[p]+at,data:{[p]:U,centerOffset:W-U-at,...Q&&{alignmentOffset:at}},reset:Q}}});var ss=function(e){return e===void 0&&(e={}),{name:"flip",options:e,async fn(t){var i,o;let{placement:r,middlewareData:s,rects:n,initialPlacement:a,platform:l,elements:c}=t,{mainAxis:d=!0,crossAxis:h=!0,fallbackPlacements:f,fallbackStrategy:p="bestFit",fallbackAxisSideDirection:m="none",flipAlignment:v=!0,...b}=Zt(e,t);if((i=s.arrow)!=null&&i.alignmentOffset)return{};let w=Wt(r),L=Et(a),k=Wt(a)===a,C=await(l.isRTL==null?void 0:l.isRTL(c.floating)),$=f||(k||!v?[Me(a)]:Qr(a)),E=m!=="none";!f&&E&&$.push(...ts(a,v,m,C));let y=[a,...$],_=await l.detectOverflow(t,b),A=[],x=((o=s.flip)==null?void 0:o.overflows)||[];if(d&&A.push(_[w]),h){let U=Zr(r,n,C);A.push(_[U[0]],_[U[1]])}if(x=[...x,{placement:r,overflows:A}],!A.every(U=>U<=0)){var z,M;let U=(((z=s.flip)==null?void 0:z.index)||0)+1,Q=y[U];if(Q&&(!(h==="alignment"?L!==Et(Q):!1)||x.every(ot=>Et(ot.placement)===L?ot.overflows[0]>0:!0)))return{data:{index:U,overflows:x},reset:{placement:Q}};let at=(M=x.filter(lt=>lt.overflows[0]<=0).sort((lt,ot)=>lt.overflows[1]-ot.overflows[1])[0])==null?void 0:M.placement;if(!at)switch(p){case"bestFit":{var W;let lt=(W=x.filter(ot=>{if(E){let dt=Et(ot.placement);return dt===L||dt==="y"}return!0}).map(ot=>[ot.placement,ot.overflows.filter(dt=>dt>0).reduce((dt,le)=>dt+le,0)]).sort((ot,dt)=>ot[1]-dt[1])[0])==null?void 0:W[0];lt&&(at=lt);break}case"initialPlacement":at=a;break}if(r!==at)return{reset:{placement:at}}}return{}}}};var pa=new Set(["left","top"]);async function ma(e,t){let{placement:i,platform:o,elements:r}=e,s=await(o.isRTL==null?void 0:o.isRTL(r.floating)),n=Wt(i),a=Qt(i),l=Et(i)==="y",c=pa.has(n)?-1:1,d=s&&l?-1:1,h=Zt(t,e),{mainAxis:f,crossAxis:p,alignmentAxis:m}=typeof h=="number"?{mainAxis:h,crossAxis:0,alignmentAxis:null}:{mainAxis:h.mainAxis||0,crossAxis:h.crossAxis||0,alignmentAxis:h.alignmentAxis};return a&&typeof m=="number"&&(p=a==="end"?m*-1:m),l?{x:p*d,y:f*c}:{x:f*c,y:p*d}}var ns=function(e){return e===void 0&&(e=0),{name:"offset",options:e,async fn(t){var i,o;let{x:r,y:s,placement:n,middlewareData:a}=t,l=await ma(t,e);return n===((i=a.offset)==null?void 0:i.placement)&&(o=a.arrow)!=null&&o.alignmentOffset?{}:{x:r+l.x,y:s+l.y,data:{...l,placement:n}}}}},as=function(e){return e===void 0&&(e={}),{name:"shift",options:e,async fn(t){let{x:i,y:o,placement:r,platform:s}=t,{mainAxis:n=!0,crossAxis:a=!1,limiter:l={fn:L=>{let{x:k,y:C}=L;return{x:k,y:C}}},...c}=Zt(e,t),d={x:i,y:o},h=await s.detectOverflow(t,c),f=Et(r),p=vo(f),m=d[p],v=d[f],b=(L,k)=>go(k+h[L==="y"?"top":"left"],k,k-h[L==="y"?"bottom":"right"]);n&&(m=b(p,m)),a&&(v=b(f,v));let w=l.fn({...t,[p]:m,[f]:v});return{...w,data:{x:w.x-i,y:w.y-o,enabled:{[p]:n,[f]:a}}}}}};var ls=function(e){return e===void 0&&(e={}),{name:"size",options:e,async fn(t){let{placement:i,rects:o,platform:r,elements:s}=t,{apply:n=()=>{},...a}=Zt(e,t),l=await r.detectOverflow(t,a),c=Wt(i),d=Qt(i),h=Et(i)==="y",{width:f,height:p}=o.floating,m,v;c==="top"||c==="bottom"?(m=c,v=d===(await(r.isRTL==null?void 0:r.isRTL(s.floating))?"start":"end")?"left":"right"):(v=c,m=d==="end"?"top":"bottom");let b=p-l.top-l.bottom,w=f-l.left-l.right,L=St(p-l[m],b),k=St(f-l[v],w),C=t.middlewareData.shift,$=!C,E=L,y=k;C!=null&&C.enabled.x&&(y=w),C!=null&&C.enabled.y&&(E=b),$&&!d&&(h?y=f-2*vt(l.left,l.right):E=p-2*vt(l.top,l.bottom)),await n({...t,availableWidth:y,availableHeight:E});let _=await r.getDimensions(s.floating);return f!==_.width||p!==_.height?{reset:{rects:!0}}:{}}}};function Ci(){return typeof window<"u"}function ie(e){return ds(e)?(e.nodeName||"").toLowerCase():"#document"}function ct(e){var t;return(e==null||(t=e.ownerDocument)==null?void 0:t.defaultView)||window}function kt(e){var t;return(t=(ds(e)?e.ownerDocument:e.document)||window.document)==null?void 0:t.documentElement}function ds(e){return Ci()?e instanceof Node||e instanceof ct(e).Node:!1}function wt(e){return Ci()?e instanceof Element||e instanceof ct(e).Element:!1}function Mt(e){return Ci()?e instanceof HTMLElement||e instanceof ct(e).HTMLElement:!1}function cs(e){return!Ci()||typeof ShadowRoot>"u"?!1:e instanceof ShadowRoot||e instanceof ct(e).ShadowRoot}function De(e){let{overflow:t,overflowX:i,overflowY:o,display:r}=bt(e);return/auto|scroll|overlay|hidden|clip/.test(t+o+i)&&r!=="inline"&&r!=="contents"}function hs(e){return/^(table|td|th)$/.test(ie(e))}function Fe(e){try{if(e.matches(":popover-open"))return!0}catch{}try{return e.matches(":modal")}catch{return!1}}var fa=/transform|translate|scale|rotate|perspective|filter/,ga=/paint|layout|strict|content/,ee=e=>!!e&&e!=="none",bo;function fe(e){let t=wt(e)?bt(e):e;return ee(t.transform)||ee(t.translate)||ee(t.scale)||ee(t.rotate)||ee(t.perspective)||!xi()&&(ee(t.backdropFilter)||ee(t.filter))||fa.test(t.willChange||"")||ga.test(t.contain||"")}function us(e){let t=Nt(e);for(;Mt(t)&&!ge(t);){if(fe(t))return t;if(Fe(t))return null;t=Nt(t)}return null}function xi(){return bo==null&&(bo=typeof CSS<"u"&&CSS.supports&&CSS.supports("-webkit-backdrop-filter","none")),bo}function ge(e){return/^(html|body|#document)$/.test(ie(e))}function bt(e){return ct(e).getComputedStyle(e)}function Ie(e){return wt(e)?{scrollLeft:e.scrollLeft,scrollTop:e.scrollTop}:{scrollLeft:e.scrollX,scrollTop:e.scrollY}}function Nt(e){if(ie(e)==="html")return e;let t=e.assignedSlot||e.parentNode||cs(e)&&e.host||kt(e);return cs(t)?t.host:t}function ps(e){let t=Nt(e);return ge(t)?(e.ownerDocument||e).body:Mt(t)&&De(t)?t:ps(t)}function Pt(e,t,i){var o;t===void 0&&(t=[]),i===void 0&&(i=!0);let r=ps(e),s=r===((o=e.ownerDocument)==null?void 0:o.body),n=ct(r);if(s){let a=Si(n);return t.concat(n,n.visualViewport||[],De(r)?r:[],a&&i?Pt(a):[])}else return t.concat(r,Pt(r,[],i))}function Si(e){return e.parent&&Object.getPrototypeOf(e.parent)?e.frameElement:null}function gs(e){let t=bt(e),i=parseFloat(t.width)||0,o=parseFloat(t.height)||0,r=Mt(e),s=r?e.offsetWidth:i,n=r?e.offsetHeight:o,a=Oe(i)!==s||Oe(o)!==n;return a&&(i=s,o=n),{width:i,height:o,$:a}}function Co(e){return wt(e)?e:e.contextElement}function ve(e){let t=Co(e);if(!Mt(t))return Lt(1);let i=t.getBoundingClientRect(),{width:o,height:r,$:s}=gs(t),n=(s?Oe(i.width):i.width)/o,a=(s?Oe(i.height):i.height)/r;return(!n||!Number.isFinite(n))&&(n=1),(!a||!Number.isFinite(a))&&(a=1),{x:n,y:a}}var va=Lt(0);function vs(e){let t=ct(e);return!xi()||!t.visualViewport?va:{x:t.visualViewport.offsetLeft,y:t.visualViewport.offsetTop}}function wa(e,t,i){return t===void 0&&(t=!1),!!i&&t&&i===ct(e)}function oe(e,t,i,o){t===void 0&&(t=!1),i===void 0&&(i=!1);let r=e.getBoundingClientRect(),s=Co(e),n=Lt(1);t&&(o?wt(o)&&(n=ve(o)):n=ve(e));let a=wa(s,i,o)?vs(s):Lt(0),l=(r.left+a.x)/n.x,c=(r.top+a.y)/n.y,d=r.width/n.x,h=r.height/n.y;if(s&&o){let f=ct(s),p=wt(o)?ct(o):o,m=f,v=Si(m);for(;v&&p!==m;){let b=ve(v),w=v.getBoundingClientRect(),L=bt(v),k=w.left+(v.clientLeft+parseFloat(L.paddingLeft))*b.x,C=w.top+(v.clientTop+parseFloat(L.paddingTop))*b.y;l*=b.x,c*=b.y,d*=b.x,h*=b.y,l+=k,c+=C,m=ct(v),v=Si(m)}}return te({width:d,height:h,x:l,y:c})}function Li(e,t){let i=Ie(e).scrollLeft;return t?t.left+i:oe(kt(e)).left+i}function ws(e,t){let i=e.getBoundingClientRect(),o=i.left+t.scrollLeft-Li(e,i),r=i.top+t.scrollTop;return{x:o,y:r}}function ba(e){let{elements:t,rect:i,offsetParent:o,strategy:r}=e,s=r==="fixed",n=kt(o),a=t?Fe(t.floating):!1;if(o===n||a&&s)return i;let l={scrollLeft:0,scrollTop:0},c=Lt(1),d=Lt(0),h=Mt(o);if((h||!s)&&((ie(o)!=="body"||De(n))&&(l=Ie(o)),h)){let p=oe(o);c=ve(o),d.x=p.x+o.clientLeft,d.y=p.y+o.clientTop}let f=n&&!h&&!s?ws(n,l):Lt(0);return{width:i.width*c.x,height:i.height*c.y,x:i.x*c.x-l.scrollLeft*c.x+d.x+f.x,y:i.y*c.y-l.scrollTop*c.y+d.y+f.y}}function ya(e){return e.getClientRects?Array.from(e.getClientRects()):[]}function Ca(e){let t=Ie(e),i=e.ownerDocument.body,o=vt(e.scrollWidth,e.clientWidth,i.scrollWidth,i.clientWidth),r=vt(e.scrollHeight,e.clientHeight,i.scrollHeight,i.clientHeight),s=-t.scrollLeft+Li(e),n=-t.scrollTop;return bt(i).direction==="rtl"&&(s+=vt(e.clientWidth,i.clientWidth)-o),{width:o,height:r,x:s,y:n}}var xa=25;function Sa(e,t,i){i===void 0&&(i="viewport");let o=i==="layoutViewport",r=ct(e),s=kt(e),n=r.visualViewport,a=s.clientWidth,l=s.clientHeight,c=0,d=0;if(n){let f=!xi()||t==="fixed";o?f||(c=-n.offsetLeft,d=-n.offsetTop):(a=n.width,l=n.height,f&&(c=n.offsetLeft,d=n.offsetTop))}if(Li(s)<=0){let f=s.ownerDocument,p=f.body,m=getComputedStyle(p),v=f.compatMode==="CSS1Compat"&&parseFloat(m.marginLeft)+parseFloat(m.marginRight)||0,b=Math.abs(s.clientWidth-p.clientWidth-v),w=getComputedStyle(s).scrollbarGutter==="stable both-edges"?b/2:b;w<=xa&&(a-=w)}return{width:a,height:l,x:c,y:d}}function La(e,t){let i=oe(e,!0,t==="fixed"),o=i.top+e.clientTop,r=i.left+e.clientLeft,s=ve(e),n=e.clientWidth*s.x,a=e.clientHeight*s.y,l=r*s.x,c=o*s.y;return{width:n,height:a,x:l,y:c}}function ms(e,t,i){let o;if(t==="viewport"||t==="layoutViewport")o=Sa(e,i,t);else if(t==="document")o=Ca(kt(e));else if(wt(t))o=La(t,i);else{let r=vs(e);o={x:t.x-r.x,y:t.y-r.y,width:t.width,height:t.height}}return te(o)}function Ea(e,t){let i=t.get(e);if(i)return i;let o=Pt(e,[],!1).filter(a=>wt(a)&&ie(a)!=="body"),r=null,s=bt(e).position==="fixed",n=s?Nt(e):e;for(;wt(n)&&!ge(n);){let a=bt(n),l=fe(n),c=r?r.position:s?"fixed":"";!l&&(c==="fixed"||c==="absolute"&&a.position==="static")?o=o.filter(h=>h!==n):r=a,n=Nt(n)}return t.set(e,o),o}function ka(e){let{element:t,boundary:i,rootBoundary:o,strategy:r}=e,n=[...i==="clippingAncestors"?Fe(t)?[]:Ea(t,this._c):[].concat(i),o],a=ms(t,n[0],r),l=a.top,c=a.right,d=a.bottom,h=a.left;for(let f=1;f<n.length;f++){let p=ms(t,n[f],r);l=vt(p.top,l),c=St(p.right,c),d=St(p.bottom,d),h=vt(p.left,h)}return{width:c-h,height:d-l,x:h,y:l}}function Aa(e){let{width:t,height:i}=gs(e);return{width:t,height:i}}function $a(e,t,i){let o=Mt(t),r=kt(t),s=i==="fixed",n=oe(e,!0,s,t),a={scrollLeft:0,scrollTop:0},l=Lt(0);if((o||!s)&&((ie(t)!=="body"||De(r))&&(a=Ie(t)),o)){let f=oe(t,!0,s,t);l.x=f.x+t.clientLeft,l.y=f.y+t.clientTop}!o&&r&&(l.x=Li(r));let c=r&&!o&&!s?ws(r,a):Lt(0),d=n.left+a.scrollLeft-l.x-c.x,h=n.top+a.scrollTop-l.y-c.y;return{x:d,y:h,width:n.width,height:n.height}}function yo(e){return bt(e).position==="static"}function fs(e,t){if(!Mt(e)||bt(e).position==="fixed")return null;if(t)return t(e);let i=e.offsetParent;return kt(e)===i&&(i=i.ownerDocument.body),i}function bs(e,t){let i=ct(e);if(Fe(e))return i;if(!Mt(e)){let r=Nt(e);for(;r&&!ge(r);){if(wt(r)&&!yo(r))return r;r=Nt(r)}return i}let o=fs(e,t);for(;o&&hs(o)&&yo(o);)o=fs(o,t);return o&&ge(o)&&yo(o)&&!fe(o)?i:o||us(e)||i}var za=async function(e){let t=this.getOffsetParent||bs,i=this.getDimensions,o=await i(e.floating);return{reference:$a(e.reference,await t(e.floating),e.strategy),floating:{x:0,y:0,width:o.width,height:o.height}}};function _a(e){return bt(e).direction==="rtl"}var Be={convertOffsetParentRelativeRectToViewportRelativeRect:ba,getDocumentElement:kt,getClippingRect:ka,getOffsetParent:bs,getElementRects:za,getClientRects:ya,getDimensions:Aa,getScale:ve,isElement:wt,isRTL:_a};function ys(e,t){return e.x===t.x&&e.y===t.y&&e.width===t.width&&e.height===t.height}function Ra(e,t,i){let o=null,r,s=kt(e);function n(){var d;clearTimeout(r),(d=o)==null||d.disconnect(),o=null}function a(d,h){d===void 0&&(d=!1),h===void 0&&(h=1),n();let f=e.getBoundingClientRect(),{left:p,top:m,width:v,height:b}=f;if(d||t(),!v||!b)return;let w=Te(m),L=Te(s.clientWidth-(p+v)),k=Te(s.clientHeight-(m+b)),C=Te(p),E={rootMargin:-w+"px "+-L+"px "+-k+"px "+-C+"px",threshold:vt(0,St(1,h))||1},y=!0;function _(A){let x=A[0].intersectionRatio;if(!ys(f,e.getBoundingClientRect()))return a();if(x!==h){if(!y)return a();x?a(!1,x):r=setTimeout(()=>{a(!1,1e-7)},1e3)}y=!1}try{o=new IntersectionObserver(_,{...E,root:s.ownerDocument})}catch{o=new IntersectionObserver(_,E)}o.observe(e)}let l=ct(e),c=()=>a(i);return l.addEventListener("resize",c),a(!0),()=>{l.removeEventListener("resize",c),n()}}function Cs(e,t,i,o){o===void 0&&(o={});let{ancestorScroll:r=!0,ancestorResize:s=!0,elementResize:n=typeof ResizeObserver=="function",layoutShift:a=typeof IntersectionObserver=="function",animationFrame:l=!1}=o,c=Co(e),d=r||s?[...c?Pt(c):[],...t?Pt(t):[]]:[];d.forEach(w=>{r&&w.addEventListener("scroll",i),s&&w.addEventListener("resize",i)});let h=c&&a?Ra(c,i,s):null,f=-1,p=null;n&&(p=new ResizeObserver(w=>{let[L]=w;L&&L.target===c&&p&&t&&(p.unobserve(t),cancelAnimationFrame(f),f=requestAnimationFrame(()=>{var k;(k=p)==null||k.observe(t)})),i()}),c&&!l&&p.observe(c),t&&p.observe(t));let m,v=l?oe(e):null;l&&b();function b(){let w=oe(e);v&&!ys(v,w)&&i(),v=w,m=requestAnimationFrame(b)}return i(),()=>{var w;d.forEach(L=>{r&&L.removeEventListener("scroll",i),s&&L.removeEventListener("resize",i)}),h?.(),(w=p)==null||w.disconnect(),p=null,l&&cancelAnimationFrame(m)}}var xs=ns;var Ss=as,Ls=ss,xo=ls;var Es=rs;var ks=(e,t,i)=>{let o=new Map,r=i??{},s={...Be,...r.platform,_c:o};return os(e,t,{...r,platform:s})};function As(e){return Pa(e)}function So(e){return e.assignedSlot?e.assignedSlot:e.parentNode instanceof ShadowRoot?e.parentNode.host:e.parentNode}function Pa(e){for(let t=e;t;t=So(t))if(t instanceof Element&&getComputedStyle(t).display==="none")return null;for(let t=So(e);t;t=So(t)){if(!(t instanceof Element))continue;let i=getComputedStyle(t);if(i.display!=="contents"&&(i.position!=="static"||fe(i)||t.tagName==="BODY"))return t}return null}function $s(e){return e!==null&&typeof e=="object"&&"getBoundingClientRect"in e&&("contextElement"in e?e instanceof Element:!0)}var Ma=!!globalThis?.HTMLElement?.prototype.hasOwnProperty("popover"),q=class extends Y{constructor(){super(...arguments),this.localize=new K(this),this.SUPPORTS_POPOVER=!1,this.active=!1,this.placement="top",this.boundary="viewport",this.distance=0,this.skidding=0,this.arrow=!1,this.arrowPlacement="anchor",this.arrowPadding=10,this.flip=!1,this.flipFallbackPlacements="",this.flipFallbackStrategy="best-fit",this.flipPadding=0,this.shift=!1,this.shiftPadding=0,this.autoSizePadding=0,this.hoverBridge=!1,this.updateHoverBridge=()=>{if(this.hoverBridge&&this.anchorEl&&this.popup){let e=this.anchorEl.getBoundingClientRect(),t=this.popup.getBoundingClientRect(),i=this.placement.includes("top")||this.placement.includes("bottom"),o=0,r=0,s=0,n=0,a=0,l=0,c=0,d=0;i?e.top<t.top?(o=e.left,r=e.bottom,s=e.right,n=e.bottom,a=t.left,l=t.top,c=t.right,d=t.top):(o=t.left,r=t.bottom,s=t.right,n=t.bottom,a=e.left,l=e.top,c=e.right,d=e.top):e.left<t.left?(o=e.right,r=e.top,s=t.left,n=t.top,a=e.right,l=e.bottom,c=t.left,d=t.bottom):(o=t.right,r=t.top,s=e.left,n=e.top,a=t.right,l=t.bottom,c=e.left,d=e.bottom),this.style.setProperty("--hover-bridge-top-left-x",`${o}px`),this.style.setProperty("--hover-bridge-top-left-y",`${r}px`),this.style.setProperty("--hover-bridge-top-right-x",`${s}px`),this.style.setProperty("--hover-bridge-top-right-y",`${n}px`),this.style.setProperty("--hover-bridge-bottom-left-x",`${a}px`),this.style.setProperty("--hover-bridge-bottom-left-y",`${l}px`),this.style.setProperty("--hover-bridge-bottom-right-x",`${c}px`),this.style.setProperty("--hover-bridge-bottom-right-y",`${d}px`)}}}async connectedCallback(){super.connectedCallback(),await this.updateComplete,this.SUPPORTS_POPOVER=Ma,this.start()}disconnectedCallback(){super.disconnectedCallback(),this.stop()}async updated(e){super.updated(e),e.has("active")&&(this.active?this.start():this.stop()),e.has("anchor")&&this.handleAnchorChange(),this.active&&(await this.updateComplete,this.reposition())}async handleAnchorChange(){if(await this.stop(),this.anchor&&typeof this.anchor=="string"){let e=this.getRootNode();this.anchorEl=e.getElementById(this.anchor)}else this.anchor instanceof Element||$s(this.anchor)?this.anchorEl=this.anchor:this.anchorEl=this.querySelector('[slot="anchor"]');this.anchorEl instanceof HTMLSlotElement&&(this.anchorEl=this.anchorEl.assignedElements({flatten:!0})[0]),this.anchorEl&&this.start()}start(){!this.anchorEl||!this.active||!this.isConnected||(this.popup?.showPopover?.(),this.cleanup=Cs(this.anchorEl,this.popup,()=>{this.reposition()}))}async stop(){return new Promise(e=>{this.popup?.hidePopover?.(),this.cleanup?(this.cleanup(),this.cleanup=void 0,this.removeAttribute("data-current-placement"),this.style.removeProperty("--auto-size-available-width"),this.style.removeProperty("--auto-size-available-height"),requestAnimationFrame(()=>e())):e()})}reposition(){if(!this.active||!this.anchorEl||!this.popup)return;let e=[xs({mainAxis:this.distance,crossAxis:this.skidding})];this.sync?e.push(xo({apply:({rects:o})=>{let r=this.sync==="width"||this.sync==="both",s=this.sync==="height"||this.sync==="both";this.popup.style.width=r?`${o.reference.width}px`:"",this.popup.style.height=s?`${o.reference.height}px`:""}})):(this.popup.style.width="",this.popup.style.height="");let t;this.SUPPORTS_POPOVER&&!$s(this.anchor)&&this.boundary==="scroll"&&(t=Pt(this.anchorEl).filter(o=>o instanceof Element)),this.flip&&e.push(Ls({boundary:this.flipBoundary||t,fallbackPlacements:this.flipFallbackPlacements,fallbackStrategy:this.flipFallbackStrategy==="best-fit"?"bestFit":"initialPlacement",padding:this.flipPadding})),this.shift&&e.push(Ss({boundary:this.shiftBoundary||t,padding:this.shiftPadding})),this.autoSize?e.push(xo({boundary:this.autoSizeBoundary||t,padding:this.autoSizePadding,apply:({availableWidth:o,availableHeight:r})=>{this.autoSize==="vertical"||this.autoSize==="both"?this.style.setProperty("--auto-size-available-height",`${r}px`):this.style.removeProperty("--auto-size-available-height"),this.autoSize==="horizontal"||this.autoSize==="both"?this.style.setProperty("--auto-size-available-width",`${o}px`):this.style.removeProperty("--auto-size-available-width")}})):(this.style.removeProperty("--auto-size-available-width"),this.style.removeProperty("--auto-size-available-height")),this.arrow&&e.push(Es({element:this.arrowEl,padding:this.arrowPadding}));let i=this.SUPPORTS_POPOVER?o=>Be.getOffsetParent(o,As):Be.getOffsetParent;ks(this.anchorEl,this.popup,{placement:this.placement,middleware:e,strategy:this.SUPPORTS_POPOVER?"absolute":"fixed",platform:{...Be,getOffsetParent:i}}).then(({x:o,y:r,middlewareData:s,placement:n})=>{let a=this.localize.dir()==="rtl",l={top:"bottom",right:"left",bottom:"top",left:"right"}[n.split("-")[0]];if(this.setAttribute("data-current-placement",n),Object.assign(this.popup.style,{left:`${o}px`,top:`${r}px`}),this.arrow){let c=s.arrow.x,d=s.arrow.y,h="",f="",p="",m="";if(this.arrowPlacement==="start"){let v=typeof c=="number"?`calc(${this.arrowPadding}px - var(--arrow-padding-offset))`:"";h=typeof d=="number"?`calc(${this.arrowPadding}px - var(--arrow-padding-offset))`:"",f=a?v:"",m=a?"":v}else if(this.arrowPlacement==="end"){let v=typeof c=="number"?`calc(${this.arrowPadding}px - var(--arrow-padding-offset))`:"";f=a?"":v,m=a?v:"",p=typeof d=="number"?`calc(${this.arrowPadding}px - var(--arrow-padding-offset))`:""}else this.arrowPlacement==="center"?(m=typeof c=="number"?"calc(50% - var(--arrow-size-diagonal))":"",h=typeof d=="number"?"calc(50% - var(--arrow-size-diagonal))":""):(m=typeof c=="number"?`${c}px`:"",h=typeof d=="number"?`${d}px`:"");Object.assign(this.arrowEl.style,{top:h,right:f,bottom:p,left:m,[l]:"calc(var(--arrow-base-offset) - var(--arrow-size-diagonal))"})}}),requestAnimationFrame(()=>this.updateHoverBridge()),this.dispatchEvent(new Yr)}render(){return S`
      <slot name="anchor" @slotchange=${this.handleAnchorChange}></slot>

      <span
        part="hover-bridge"
        class=${it({"popup-hover-bridge":!0,"popup-hover-bridge-visible":this.hoverBridge&&this.active})}
      ></span>

      <div
        popover="manual"
        part="popup"
        class=${it({popup:!0,"popup-active":this.active,"popup-fixed":!this.SUPPORTS_POPOVER,"popup-has-arrow":this.arrow})}
      >
        <slot></slot>
        ${this.arrow?S`<div part="arrow" class="arrow" role="presentation"></div>`:""}
      </div>
    `}};q.css=Kr;u([V(".popup")],q.prototype,"popup",2);u([V(".arrow")],q.prototype,"arrowEl",2);u([g({attribute:!1,type:Boolean})],q.prototype,"SUPPORTS_POPOVER",2);u([g()],q.prototype,"anchor",2);u([g({type:Boolean,reflect:!0})],q.prototype,"active",2);u([g({reflect:!0})],q.prototype,"placement",2);u([g()],q.prototype,"boundary",2);u([g({type:Number})],q.prototype,"distance",2);u([g({type:Number})],q.prototype,"skidding",2);u([g({type:Boolean})],q.prototype,"arrow",2);u([g({attribute:"arrow-placement"})],q.prototype,"arrowPlacement",2);u([g({attribute:"arrow-padding",type:Number})],q.prototype,"arrowPadding",2);u([g({type:Boolean})],q.prototype,"flip",2);u([g({attribute:"flip-fallback-placements",converter:{fromAttribute:e=>e.split(" ").map(t=>t.trim()).filter(t=>t!==""),toAttribute:e=>e.join(" ")}})],q.prototype,"flipFallbackPlacements",2);u([g({attribute:"flip-fallback-strategy"})],q.prototype,"flipFallbackStrategy",2);u([g({type:Object})],q.prototype,"flipBoundary",2);u([g({attribute:"flip-padding",type:Number})],q.prototype,"flipPadding",2);u([g({type:Boolean})],q.prototype,"shift",2);u([g({type:Object})],q.prototype,"shiftBoundary",2);u([g({attribute:"shift-padding",type:Number})],q.prototype,"shiftPadding",2);u([g({attribute:"auto-size"})],q.prototype,"autoSize",2);u([g()],q.prototype,"sync",2);u([g({type:Object})],q.prototype,"autoSizeBoundary",2);u([g({attribute:"auto-size-padding",type:Number})],q.prototype,"autoSizePadding",2);u([g({attribute:"hover-bridge",type:Boolean})],q.prototype,"hoverBridge",2);q=u([F("wa-popup")],q);var zs=I`
  :host {
    --height: var(--wa-form-control-toggle-size);
    --width: calc(var(--height) * 1.75);
    --thumb-size: 0.75em;

    display: inline-flex;
    line-height: var(--wa-form-control-value-line-height);
  }

  label {
    position: relative;
    display: flex;
    align-items: center;
    font: inherit;
    color: var(--wa-form-control-value-color);
    vertical-align: middle;
    cursor: pointer;
  }

  .switch {
    flex: 0 0 auto;
    position: relative;
    display: flex;
    align-items: center;
    justify-content: center;
    width: var(--width);
    height: var(--height);
    background-color: var(--wa-form-control-background-color);
    border-color: var(--wa-form-control-border-color);
    border-radius: var(--height);
    border-style: var(--wa-form-control-border-style);
    border-width: var(--wa-form-control-border-width);
    transition-property: translate, background, border-color, box-shadow;
    transition-duration: var(--wa-transition-normal);
    transition-timing-function: var(--wa-transition-easing);
  }

  :host([did-ssr]:not(:defined)) .switch {
    transition-property: unset;
    transition-duration: unset;
    transition-timing-function: unset;
  }

  .switch .thumb {
    aspect-ratio: 1 / 1;
    width: var(--thumb-size);
    height: var(--thumb-size);
    background-color: var(--wa-form-control-border-color);
    border-radius: 50%;
    translate: calc((var(--width) - var(--height)) / -2);
    transition: inherit;
  }
  .switch .thumb:dir(rtl) {
    translate: calc((var(--width) - var(--height)) / 2);
  }

  .input {
    position: absolute;
    opacity: 0;
    padding: 0;
    margin: 0;
    pointer-events: none;
  }

  /* Focus */
  label:not(.disabled) .input:focus-visible ~ [part~='control'] {
    outline: var(--wa-focus-ring);
    outline-offset: var(--wa-focus-ring-offset);
  }

  /* Checked */
  .checked .switch {
    background-color: var(--wa-form-control-activated-color);
    border-color: var(--wa-form-control-activated-color);
  }

  .checked .switch .thumb {
    background-color: var(--wa-color-surface-default);
    translate: calc((var(--width) - var(--height)) / 2);
  }
  .checked .switch .thumb:dir(rtl) {
    translate: calc((var(--width) - var(--height)) / -2);
  }

  /* Disabled */
  label:has(> :disabled) {
    opacity: 0.5;
    cursor: not-allowed;
  }

  [part~='label'] {
    display: inline-block;
    line-height: var(--height);
    margin-inline-start: 0.5em;
    user-select: none;
    -webkit-user-select: none;
  }

  :host([required]) [part~='label']::after {
    content: var(--wa-form-control-required-content);
    color: var(--wa-form-control-required-content-color);
    margin-inline-start: var(--wa-form-control-required-content-offset);
  }

  @media (forced-colors: active) {
    :checked:enabled + .switch:hover .thumb,
    :checked + .switch .thumb {
      background-color: ButtonText;
    }
  }
`;var G=class extends et{constructor(){super(...arguments),this.hasSlotController=new xt(this,"hint"),this.localize=new K(this),this.title="",this.name=null,this._value=this.getAttribute("value")??null,this.size="m",this.disabled=!1,this._checked=null,this.defaultChecked=this.hasAttribute("checked"),this.required=!1,this.hint="",this.withHint=!1}static get validators(){return[...super.validators,ce()]}get value(){return this._value??"on"}set value(e){this._value=e}handleSizeChange(){ut(this.localName,this.size)}get checked(){return this.valueHasChanged?!!this._checked:this._checked??this.defaultChecked}set checked(e){this._checked=!!e,this.valueHasChanged=!0}handleClick(){this.hasInteracted=!0,this.checked=!this.checked,this.updateComplete.then(()=>{this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0}))})}handleKeyDown(e){let t=this.localize.dir()==="rtl";e.key==="ArrowLeft"&&(e.preventDefault(),this.checked=t,this.updateComplete.then(()=>{this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0})),this.dispatchEvent(new InputEvent("input",{bubbles:!0,composed:!0}))})),e.key==="ArrowRight"&&(e.preventDefault(),this.checked=!t,this.updateComplete.then(()=>{this.dispatchEvent(new Event("change",{bubbles:!0,composed:!0})),this.dispatchEvent(new InputEvent("input",{bubbles:!0,composed:!0}))}))}willUpdate(e){super.willUpdate(e),(e.has("value")||e.has("checked")||e.has("defaultChecked")||e.has("disabled"))&&this.handleValueOrCheckedChange()}handleValueOrCheckedChange(){if(this.didSSR&&!this.hasUpdated){this.updateComplete.then(()=>{this.handleValueOrCheckedChange()});return}this.setValue(this.checked?this.value:null,this._value),this.updateValidity()}handleStateChange(){this.hasUpdated&&(this.input.checked=this.checked),this.customStates.set("checked",this.checked),this.updateValidity()}handleDisabledChange(){this.updateValidity()}click(){this.input.click()}focus(e){this.input.focus(e)}blur(){this.input.blur()}setValue(e,t){if(!this.checked){this.internals.setFormValue(null,null);return}this.internals.setFormValue(e??"on",t)}formResetCallback(){this._checked=null,super.formResetCallback(),this.handleValueOrCheckedChange()}render(){let e=this.hasSlotController.test("hint","withHint"),t=this.hint?!0:!!e,i=this.didSSR&&!this.hasUpdated?this.checked:this.defaultChecked,o=this.didSSR&&!this.hasUpdated?null:vi(this.checked);return S`
      <label
        part="base switch"
        class=${it({checked:this.checked,disabled:this.disabled})}
      >
        <input
          class="input"
          type="checkbox"
          title=${this.title}
          name=${B(this.name)}
          value=${B(this.value)}
          .checked=${B(o)}
          ?checked=${i}
          ?disabled=${this.disabled}
          ?required=${this.required}
          role="switch"
          aria-checked=${this.checked?"true":"false"}
          aria-describedby="hint"
          @click=${this.handleClick}
          @keydown=${this.handleKeyDown}
        />

        <span part="control" class="switch">
          <span part="thumb" class="thumb"></span>
        </span>

        <slot part="label" class="label"></slot>
      </label>

      <slot
        id="hint"
        name="hint"
        part="hint"
        class=${it({"has-slotted":t})}
        aria-hidden=${t?"false":"true"}
        >${this.hint}</slot
      >
    `}};G.shadowRootOptions={...et.shadowRootOptions,delegatesFocus:!0};G.css=[me,pt,zs];u([V('input[type="checkbox"]')],G.prototype,"input",2);u([g()],G.prototype,"title",2);u([g({reflect:!0})],G.prototype,"name",2);u([g({reflect:!0})],G.prototype,"value",1);u([g({reflect:!0})],G.prototype,"size",2);u([X("size")],G.prototype,"handleSizeChange",1);u([g({type:Boolean})],G.prototype,"disabled",2);u([g({type:Boolean,attribute:!1})],G.prototype,"checked",1);u([g({type:Boolean,attribute:"checked",reflect:!0})],G.prototype,"defaultChecked",2);u([g({type:Boolean,reflect:!0})],G.prototype,"required",2);u([g({attribute:"hint"})],G.prototype,"hint",2);u([g({attribute:"with-hint",type:Boolean})],G.prototype,"withHint",2);u([X(["checked","defaultChecked"])],G.prototype,"handleStateChange",1);u([X("disabled",{waitUntilFirstUpdate:!0})],G.prototype,"handleDisabledChange",1);G=u([F("wa-switch")],G);G.disableWarning?.("change-in-update");var _s='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-arrow-repeat" viewBox="0 0 16 16">%0A  <path d="M11.534 7h3.932a.25.25 0 0 1 .192.41l-1.966 2.36a.25.25 0 0 1-.384 0l-1.966-2.36a.25.25 0 0 1 .192-.41m-11 2h3.932a.25.25 0 0 0 .192-.41L2.692 6.23a.25.25 0 0 0-.384 0L.342 8.59A.25.25 0 0 0 .534 9"/>%0A  <path fill-rule="evenodd" d="M8 3c-1.552 0-2.94.707-3.857 1.818a.5.5 0 1 1-.771-.636A6.002 6.002 0 0 1 13.917 7H12.9A5 5 0 0 0 8 3M3.1 9a5.002 5.002 0 0 0 8.757 2.182.5.5 0 1 1 .771.636A6.002 6.002 0 0 1 2.083 9z"/>%0A</svg>';var Rs='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-download" viewBox="0 0 16 16">%0A  <path d="M.5 9.9a.5.5 0 0 1 .5.5v2.5a1 1 0 0 0 1 1h12a1 1 0 0 0 1-1v-2.5a.5.5 0 0 1 1 0v2.5a2 2 0 0 1-2 2H2a2 2 0 0 1-2-2v-2.5a.5.5 0 0 1 .5-.5"/>%0A  <path d="M7.646 11.854a.5.5 0 0 0 .708 0l3-3a.5.5 0 0 0-.708-.708L8.5 10.293V1.5a.5.5 0 0 0-1 0v8.793L5.354 8.146a.5.5 0 1 0-.708.708z"/>%0A</svg>';var Ps='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-exclamation-triangle" viewBox="0 0 16 16">%0A  <path d="M7.938 2.016A.13.13 0 0 1 8.002 2a.13.13 0 0 1 .063.016.15.15 0 0 1 .054.057l6.857 11.667c.036.06.035.124.002.183a.2.2 0 0 1-.054.06.1.1 0 0 1-.066.017H1.146a.1.1 0 0 1-.066-.017.2.2 0 0 1-.054-.06.18.18 0 0 1 .002-.183L7.884 2.073a.15.15 0 0 1 .054-.057m1.044-.45a1.13 1.13 0 0 0-1.96 0L.165 13.233c-.457.778.091 1.767.98 1.767h13.713c.889 0 1.438-.99.98-1.767z"/>%0A  <path d="M7.002 12a1 1 0 1 1 2 0 1 1 0 0 1-2 0M7.1 5.995a.905.905 0 1 1 1.8 0l-.35 3.507a.552.552 0 0 1-1.1 0z"/>%0A</svg>';var Ms='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-key-fill" viewBox="0 0 16 16">%0A  <path d="M3.5 11.5a3.5 3.5 0 1 1 3.163-5H14L15.5 8 14 9.5l-1-1-1 1-1-1-1 1-1-1-1 1H6.663a3.5 3.5 0 0 1-3.163 2M2.5 9a1 1 0 1 0 0-2 1 1 0 0 0 0 2"/>%0A</svg>';var Os='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-mic-fill" viewBox="0 0 16 16">%0A  <path d="M5 3a3 3 0 0 1 6 0v5a3 3 0 0 1-6 0z"/>%0A  <path d="M3.5 6.5A.5.5 0 0 1 4 7v1a4 4 0 0 0 8 0V7a.5.5 0 0 1 1 0v1a5 5 0 0 1-4.5 4.975V15h3a.5.5 0 0 1 0 1h-7a.5.5 0 0 1 0-1h3v-2.025A5 5 0 0 1 3 8V7a.5.5 0 0 1 .5-.5"/>%0A</svg>';var Ts='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-pause-fill" viewBox="0 0 16 16">%0A  <path d="M5.5 3.5A1.5 1.5 0 0 1 7 5v6a1.5 1.5 0 0 1-3 0V5a1.5 1.5 0 0 1 1.5-1.5m5 0A1.5 1.5 0 0 1 12 5v6a1.5 1.5 0 0 1-3 0V5a1.5 1.5 0 0 1 1.5-1.5"/>%0A</svg>';var Ds='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-play-fill" viewBox="0 0 16 16">%0A  <path d="m11.596 8.697-6.363 3.692c-.54.313-1.233-.066-1.233-.697V4.308c0-.63.692-1.01 1.233-.696l6.363 3.692a.802.802 0 0 1 0 1.393"/>%0A</svg>';var Fs='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-stop-fill" viewBox="0 0 16 16">%0A  <path d="M5 3.5h6A1.5 1.5 0 0 1 12.5 5v6a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 11V5A1.5 1.5 0 0 1 5 3.5"/>%0A</svg>';var Is='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" fill="currentColor" class="bi bi-upload" viewBox="0 0 16 16">%0A  <path d="M.5 9.9a.5.5 0 0 1 .5.5v2.5a1 1 0 0 0 1 1h12a1 1 0 0 0 1-1v-2.5a.5.5 0 0 1 1 0v2.5a2 2 0 0 1-2 2H2a2 2 0 0 1-2-2v-2.5a.5.5 0 0 1 .5-.5"/>%0A  <path d="M7.646 1.146a.5.5 0 0 1 .708 0l3 3a.5.5 0 0 1-.708.708L8.5 2.707V11.5a.5.5 0 0 1-1 0V2.707L5.354 4.854a.5.5 0 1 1-.708-.708z"/>%0A</svg>';var Va={retry:_s,download:Rs,warning:Ps,key:Ms,microphone:Os,pause:Ts,play:Ds,stop:Fs,upload:Is};ao("default",{resolver:e=>Va[e]??""});var Bs={"not-audio":["This is not a recording that the server can read.","Choose an audio file: WAV, FLAC, OGG or MP3, for example."],"empty-file":["This file is empty.","Choose another."],"too-large":["This file is too large.","Choose a smaller one, or cut it into parts."],"too-long":["This recording is too long.","Choose a shorter one, or cut it into parts."],"no-such-model":["The server no longer has this model.","Choose another, and try again."],"wrong-key":["The server requires an API key.","Enter one, and try again."],busy:["The server has too much to do.","Wait a moment, and try again."],stopping:["The server is stopping.","Try again when it is back."],late:["The server took too long.","Try again, or choose a shorter recording."],away:["The server does not answer.","Check that it is running and that you are connected, and try again."],failed:["The server could not do this.","Try again; its log says more."],"refused-microphone":["This page may not use the microphone.","Allow it in the browser's settings of this site, and try again."],"no-microphone":["No microphone was found.","Connect one, or choose a file."],insecure:["The browser does not let this page use a microphone.","It does over HTTPS, or on the server's own machine. Choose a file instead."],"empty-recording":["Nothing was recorded.","Record again, for a second at least."],"silent-recording":["The recording is silent.","Check whether the microphone is muted, and record again."]},nt=class extends Error{constructor(i,o=""){super(Bs[i][0]);this.kind=i;this.detail=o}get advice(){return Bs[this.kind][1]}get withFile(){return["not-audio","empty-file","too-large","too-long"].includes(this.kind)}get passing(){return["busy","stopping","late","away","failed","wrong-key"].includes(this.kind)}};function Ei(e){return e instanceof nt?e:(console.error(e),new nt("failed"))}var Ws="wav2vec2-tf key",Ht={get:()=>sessionStorage.getItem(Ws)??"",set:e=>sessionStorage.setItem(Ws,e)};function Ns(){return Ht.get()?{Authorization:`Bearer ${Ht.get()}`}:{}}var qa={audio_too_long:"too-long",invalid_audio:"not-audio"},Ua={401:"wrong-key",404:"no-such-model",408:"late",413:"too-large",429:"busy",502:"away",503:"stopping",504:"late"};function Hs(e,t){let i={};try{i=JSON.parse(t).error??{}}catch{}let o=qa[i.code??""]??Ua[e]??"failed";return new nt(o,i.message)}async function Ai(){let e;try{e=await fetch("v1/models",{headers:Ns()})}catch{throw new nt("away")}let t=await e.text();if(!e.ok)throw Hs(e.status,t);return JSON.parse(t)}function Vs(e,t,i,o){let r=new FormData;return r.append("file",e),r.append("model",t.model),r.append("decoding",t.decoding),r.append("response_format","verbose_json"),r.append("timestamp_granularities[]","word"),r.append("timestamp_granularities[]","subtitle"),new Promise((s,n)=>{let a=new XMLHttpRequest;a.open("POST","v1/audio/transcriptions");for(let[l,c]of Object.entries(Ns()))a.setRequestHeader(l,c);a.upload.onprogress=({loaded:l,total:c})=>i(l/c),a.onload=()=>{a.status===200?s(JSON.parse(a.responseText)):n(Hs(a.status,a.responseText))},a.onerror=()=>n(new nt("away")),a.onabort=()=>n(o.reason),o.addEventListener("abort",()=>a.abort()),a.send(r)})}var ki=class{constructor(t,i,o){this.socket=new WebSocket("v1/audio/stream");let{socket:r}=this;this.opened=new Promise(n=>r.onopen=()=>n()),this.final=new Promise(n=>{r.onclose=()=>{o(null),n(null)},r.onmessage=({data:a})=>{let l=JSON.parse(a);l.type==="partial"?o(l.text):l.type==="final"?n(l):r.close()}});let s={...t,sample_rate:i,encoding:"pcm_s16le"};this.send(JSON.stringify(Ht.get()?{...s,api_key:Ht.get()}:s))}send(t){let{socket:i}=this;this.opened.then(()=>i.readyState===WebSocket.OPEN&&i.send(t))}end(){return this.send(JSON.stringify({type:"end"})),this.final}close(){this.socket.close()}};var Vt=class extends tt{constructor(){super(...arguments);this.problem="";this.asking=!1;this.away=Promise.resolve()}createRenderRoot(){return this}async ask(){await this.dialog.updateComplete,await this.away,this.problem="",this.dialog.open=!0}hiding(i){i.target===this.dialog&&(this.away=new Promise(o=>this.dialog.addEventListener("wa-after-hide",()=>o(),{once:!0})))}async submit(i){i.preventDefault();let[o,r]=[(this.input.value??"").trim(),Ht.get()];if(this.problem="",!o)return this.problem="Enter a key first.",this.input.focus();this.asking=!0,Ht.set(o);try{let s=await Ai();this.input.value="",this.dialog.open=!1,this.dispatchEvent(new CustomEvent("key",{detail:s}))}catch(s){Ht.set(r);let n=Ei(s);this.problem=n.kind==="wrong-key"?"The server rejects this key.":n.message,this.input.focus()}finally{this.asking=!1}}render(){return S`
      <wa-dialog label="API key" @wa-hide=${this.hiding}>
        <form @submit=${this.submit}>
          <wa-input
            type="password"
            label="Key"
            hint="Ask the server's operator for it. It is deleted when you close this tab."
            autocomplete="off"
            password-toggle
            autofocus
          ></wa-input>
          <p class="problem" role="alert">${this.problem}</p>
          <wa-button type="submit" variant="brand" ?loading=${this.asking}>Use this key</wa-button>
        </form>
      </wa-dialog>
    `}};R([O()],Vt.prototype,"problem",2),R([O()],Vt.prototype,"asking",2),R([V("wa-dialog")],Vt.prototype,"dialog",2),R([V("wa-input")],Vt.prototype,"input",2),Vt=R([F("speech-key")],Vt);function ht(e,t,i,o){return new(i||(i=Promise))((function(r,s){function n(c){try{l(o.next(c))}catch(d){s(d)}}function a(c){try{l(o.throw(c))}catch(d){s(d)}}function l(c){var d;c.done?r(c.value):(d=c.value,d instanceof i?d:new i((function(h){h(d)}))).then(n,a)}l((o=o.apply(e,t||[])).next())}))}var Ne=class{constructor(){this.listeners={}}on(t,i,o){if(this.listeners[t]||(this.listeners[t]=new Set),o?.once){let r=(...s)=>{this.un(t,r),i(...s)};return this.listeners[t].add(r),()=>this.un(t,r)}return this.listeners[t].add(i),()=>this.un(t,i)}un(t,i){var o;(o=this.listeners[t])===null||o===void 0||o.delete(i)}once(t,i){return this.on(t,i,{once:!0})}unAll(){this.listeners={}}emit(t,...i){this.listeners[t]&&this.listeners[t].forEach((o=>o(...i)))}},Tt=class e{constructor(){this.disposers=[],this.children=new Set,this.parent=null,this._disposed=!1,this.abortController=null}get disposed(){return this._disposed}add(t){return this._disposed?(this.safeRun(t),()=>{}):(this.disposers.push(t),()=>{let i=this.disposers.indexOf(t);i!==-1&&(this.disposers.splice(i,1),this.safeRun(t))})}child(){let t=new e;return this._disposed?(t.dispose(),t):(t.parent=this,this.children.add(t),t)}listen(t,i,o,r){return t.addEventListener(i,o,r),this.add((()=>t.removeEventListener(i,o,r)))}timeout(t,i){let o=setTimeout((()=>{r(),t()}),i),r=this.add((()=>clearTimeout(o)));return r}interval(t,i){let o=setInterval(t,i);return this.add((()=>clearInterval(o)))}raf(t){let i=requestAnimationFrame((r=>{o(),t(r)})),o=this.add((()=>cancelAnimationFrame(i)));return o}observeResize(t,i){t.observe(i),this.add((()=>t.unobserve(i)))}createResizeObserver(t,i){let o=new ResizeObserver(i);return o.observe(t),this.add((()=>o.disconnect())),o}abortSignal(){return this.abortController||(this.abortController=new AbortController,this._disposed&&this.abortController.abort()),this.abortController.signal}dispose(){var t;if(this._disposed)return;this._disposed=!0,this.parent&&(this.parent.children.delete(this),this.parent=null);for(let o of[...this.children])o.dispose();this.children.clear();let i=this.disposers;this.disposers=[];for(let o=i.length-1;o>=0;o--)this.safeRun(i[o]);(t=this.abortController)===null||t===void 0||t.abort()}safeRun(t){try{t()}catch(i){console.error("Scope disposer error:",i)}}},_i=class extends Ne{get destroyed(){return this.isDestroyed}constructor(t){super(),this.subscriptions=[],this.scope=new Tt,this.isDestroyed=!1,this.options=t}onInit(){}_init(t){this.isDestroyed=!1,this.wavesurfer=t,this.onInit()}destroy(){this.isDestroyed||(this.isDestroyed=!0,this.emit("destroy"),this.subscriptions.forEach((t=>t())),this.subscriptions=[],this.unAll(),this.scope.dispose(),this.wavesurfer=void 0)}},$i={decode:function(e,t){return ht(this,void 0,void 0,(function*(){let i=new AudioContext({sampleRate:t});try{return yield i.decodeAudioData(e)}finally{i.state!=="closed"&&(yield i.close().catch((()=>{})))}}))},createBuffer:function(e,t){if(!e||e.length===0)throw new Error("channelData must be a non-empty array");if(t<=0)throw new Error("duration must be greater than 0");if(typeof e[0]=="number"&&(e=[e]),!e[0]||e[0].length===0)throw new Error("channelData must contain non-empty channel arrays");let i=(function(r){let s=0;for(let n of r)for(let a=0;a<n.length;a++){let l=Math.abs(n[a]);l>s&&(s=l)}return s<=1?r:r.map((n=>{let a=new Float32Array(n.length);for(let l=0;l<n.length;l++)a[l]=n[l]/s;return a}))})(e).map((r=>r instanceof Float32Array?r:Float32Array.from(r))),o=r=>{let s=i[r];if(!s)throw new Error(`Channel ${r} not found`);return s};return{duration:t,length:i[0].length,sampleRate:i[0].length/t,numberOfChannels:i.length,getChannelData:o,copyFromChannel:(r,s,n=0)=>{let a=o(s),l=Math.max(0,n),c=Math.max(0,Math.min(r.length,a.length-l));r.set(a.subarray(l,l+c))},copyToChannel:(r,s,n=0)=>{let a=o(s),l=Math.max(0,n),c=Math.max(0,Math.min(r.length,a.length-l));a.set(r.subarray(0,c),l)}}}},ja=new Set(["destroy","_init","onInit","emit","on","un","once","unAll","options","wavesurfer","subscriptions","scope","destroyed","isDestroyed","listeners"]);function Ys(e,t){let i=t.xmlns?document.createElementNS(t.xmlns,e):document.createElement(e);for(let[o,r]of Object.entries(t))if(o==="children"&&r)for(let[s,n]of Object.entries(r))n instanceof Node?i.appendChild(n):typeof n=="string"?i.appendChild(document.createTextNode(n)):i.appendChild(Ys(s,n));else o==="style"?Object.assign(i.style,r):o==="textContent"?i.textContent=r:i.setAttribute(o,r.toString());return i}function qs(e,t,i){let o=Ys(e,t||{});return i?.appendChild(o),o}function Ks(e){if(e instanceof HTMLElement)return!0;if(typeof e!="object"||e===null)return!1;let t=e;return t.nodeType===Node.ELEMENT_NODE&&typeof t.nodeName=="string"&&t.namespaceURI==="http://www.w3.org/1999/xhtml"&&typeof t.style=="object"&&t.style!==null&&typeof t.appendChild=="function"}var Xa=Object.freeze({__proto__:null,createElement:qs,default:qs,isHTMLElement:Ks}),Ya={fetchBlob:function(e,t,i){return ht(this,void 0,void 0,(function*(){var o;let r=yield fetch(e,i);if(r.status>=400)throw new Error(`Failed to fetch ${e}: ${r.status} (${r.statusText})`);return(function(s,n,a){ht(this,void 0,void 0,(function*(){var l;if(!s.body||!s.headers)return;let c=s.body.getReader(),d=Number(s.headers.get("Content-Length"))||0,h=0,f=()=>{c.cancel()};if(a){if(a.aborted)return void c.cancel();a.addEventListener("abort",f,{once:!0})}try{for(;;){let p=yield c.read();if(p.done)break;if(h+=((l=p.value)===null||l===void 0?void 0:l.length)||0,d>0){let m=Math.round(h/d*100);n(m)}}}catch(p){if(p instanceof DOMException&&p.name==="AbortError")return;console.warn("Progress tracking error:",p)}finally{a&&a.removeEventListener("abort",f)}}))})(r.clone(),t,(o=i?.signal)!==null&&o!==void 0?o:void 0),r.blob()}))}},Lo=class{constructor(t){this.frameId=null,this.callback=null,this.isRunning=!1,t.add((()=>this.stop()))}get running(){return this.isRunning}start(t){if(this.callback=t,this.isRunning)return;this.isRunning=!0;let i=()=>{var o;this.isRunning&&(this.frameId=requestAnimationFrame(i),(o=this.callback)===null||o===void 0||o.call(this))};i()}stop(){this.isRunning=!1,this.frameId!==null&&(cancelAnimationFrame(this.frameId),this.frameId=null)}},re=null;function N(e){let t=e,i=new Set,o=!1,r=!1,s={get value(){return re?.add(s),t},set(n){Object.is(t,n)||(t=n,(()=>{if(o)r=!0;else{o=!0;try{do{r=!1;let a=[...i],l=t;for(let c of a){try{c(l)}catch(d){console.error("Signal subscriber error:",d)}if(!Object.is(t,l)){r=!0;break}}}while(r)}finally{o=!1}}})())},update(n){this.set(n(t))},subscribe:n=>(i.add(n),()=>i.delete(n))};return s}function Gs(e){let t=re,i=new Set;re=i;try{return[e(),i]}finally{re=t}}function qt(e,t){let i=N(void 0),o=[],r=!1,s=new Set,n=()=>{if(!r)if(t)i.set(e());else{o.forEach((h=>h()));let[c,d]=Gs(e);o=[...d].map((h=>h.subscribe(n))),i.set(c)}};t?(o=t.map((c=>c.subscribe(n))),i.set(e())):n();let a=()=>{r=!0,o.forEach((c=>c())),o=[],s.forEach((c=>c())),s.clear()},l={get value(){return re?.add(l),i.value},subscribe:c=>{let d=i.subscribe(c);return s.add(d),()=>{s.delete(d),d()}},dispose:a};return Object.defineProperty(l,"_cleanup",{value:a,enumerable:!1}),Object.defineProperty(l,"_subscriberCount",{value:()=>s.size,enumerable:!1}),l}function Eo(e,t){let i,o=[],r=!1,s=()=>{if(!r){if(i){try{i()}catch(n){console.error("Effect cleanup error:",n)}i=void 0}if(t)i=e();else{o.forEach((l=>l()));let[n,a]=Gs(e);o=[...a].map((l=>l.subscribe(s))),i=n}}};return t&&(o=t.map((n=>n.subscribe(s)))),s(),()=>{if(r=!0,i){try{i()}catch(n){console.error("Effect cleanup error:",n)}i=void 0}o.forEach((n=>n())),o=[]}}var ko=class{get isPlayingSignal(){return this._isPlaying}get currentTimeSignal(){return this._currentTime}get durationSignal(){return this._duration}get volumeSignal(){return this._volume}get mutedSignal(){return this._muted}get playbackRateSignal(){return this._playbackRate}get seekingSignal(){return this._seeking}constructor(t){this.isExternalMedia=!1,this._ownBlobUrl=null,this.pendingTime=null,this.mediaScope=new Tt,t.media?(this.media=t.media,this.isExternalMedia=!0):this.media=document.createElement("audio"),this._isPlaying=N(!1),this._currentTime=N(0),this._duration=N(0),this._volume=N(this.media.volume),this._muted=N(this.media.muted),this._playbackRate=N(this.media.playbackRate||1),this._seeking=N(!1),this.setupReactiveMediaEvents(),t.mediaControls&&(this.media.controls=!0),t.autoplay&&(this.media.autoplay=!0),t.playbackRate!=null&&this.mediaScope.add(this.onMediaEvent("canplay",(()=>{t.playbackRate!=null&&(this.media.playbackRate=t.playbackRate)}),{once:!0}))}setupReactiveMediaEvents(){this.mediaScope.add(this.onMediaEvent("play",(()=>{this._isPlaying.set(!0)}))),this.mediaScope.add(this.onMediaEvent("pause",(()=>{this._isPlaying.set(!1)}))),this.mediaScope.add(this.onMediaEvent("ended",(()=>{this._isPlaying.set(!1)}))),this.mediaScope.add(this.onMediaEvent("timeupdate",(()=>{this._currentTime.set(this.media.currentTime)}))),this.mediaScope.add(this.onMediaEvent("durationchange",(()=>{this._duration.set(this.media.duration||0)}))),this.mediaScope.add(this.onMediaEvent("loadedmetadata",(()=>{this._duration.set(this.media.duration||0)}))),this.mediaScope.add(this.onMediaEvent("canplay",(()=>this.applyPendingTime()))),this.mediaScope.add(this.onMediaEvent("seeking",(()=>{this.pendingTime!=null&&Math.abs(this.media.currentTime-this.pendingTime)>.01&&(this.pendingTime=null),this._seeking.set(!0)}))),this.mediaScope.add(this.onMediaEvent("seeked",(()=>{this._seeking.set(!1)}))),this.mediaScope.add(this.onMediaEvent("volumechange",(()=>{this._volume.set(this.media.volume),this._muted.set(this.media.muted)}))),this.mediaScope.add(this.onMediaEvent("ratechange",(()=>{this._playbackRate.set(this.media.playbackRate)})))}onMediaEvent(t,i,o){return this.media.addEventListener(t,i,o),()=>this.media.removeEventListener(t,i,o)}getSrc(){return this.media.currentSrc||this.media.src||""}revokeSrc(){this._ownBlobUrl&&(URL.revokeObjectURL(this._ownBlobUrl),this._ownBlobUrl=null)}canPlayType(t){return this.media.canPlayType(t)!==""}applyPendingTime(){if(this.pendingTime==null)return;let t=this.pendingTime;this.media.currentTime=t,this.pendingTime=null}setSrc(t,i){let o=this.getSrc();if(t&&o===t)return;this.revokeSrc();let r=i instanceof Blob&&(this.canPlayType(i.type)||!t)?URL.createObjectURL(i):t;if(this.pendingTime=null,r!==t&&(this._ownBlobUrl=r),o&&this.media.removeAttribute("src"),r||t)try{this.media.src=r}catch{this.media.src=t}}destroy(){this.pendingTime=null,this.mediaScope.dispose(),this.revokeSrc(),this.isExternalMedia||(this.media.pause(),this.media.removeAttribute("src"),this.media.load(),this.media.remove())}setMediaElement(t){this.pendingTime=null,this.mediaScope.dispose(),this.mediaScope=new Tt,this.media=t,this.setupReactiveMediaEvents()}play(){return ht(this,void 0,void 0,(function*(){try{this.media.readyState>=3&&this.applyPendingTime();let t=yield this.media.play();return this.applyPendingTime(),t}catch(t){if(t instanceof DOMException&&t.name==="AbortError")return;throw t}}))}pause(){this.media.pause()}isPlaying(){return!this.media.paused&&!this.media.ended}setTime(t){let i=this.getDuration(),o=Number.isFinite(i)?Math.max(0,Math.min(t,i)):Math.max(0,t);this.media.readyState<3?this.pendingTime=o:(this.pendingTime=null,this.media.currentTime=o)}getDuration(){return this.media.duration}getCurrentTime(){var t;return(t=this.pendingTime)!==null&&t!==void 0?t:this.media.currentTime}getVolume(){return this.media.volume}setVolume(t){this.media.volume=t}getMuted(){return this.media.muted}setMuted(t){this.media.muted=t}getPlaybackRate(){return this.media.playbackRate}isSeeking(){return this.media.seeking}setPlaybackRate(t,i){i!=null&&(this.media.preservesPitch=i),this.media.playbackRate=t}getMediaElement(){return this.media}setSinkId(t){return this.media.setSinkId(t)}};function Js(e,t){let i=e.barWidth?e.barWidth*t:1;return{barWidth:i,barGap:e.barGap?e.barGap*t:e.barWidth?i/2:0}}function Ka({maxTop:e,maxBottom:t,halfHeight:i,vScale:o,barMinHeight:r=0,barAlign:s}){let n=Math.round(e*i*o),a=n+Math.round(t*i*o)||1;return a<r&&(a=r,s||(n=a/2)),{topHeight:n,totalHeight:a}}function Ga({barAlign:e,halfHeight:t,topHeight:i,totalHeight:o,canvasHeight:r}){return e==="top"?0:e==="bottom"?r-o:t-i}function Us(e,t,i){return[e.width>0?(t-e.left)/e.width:0,e.height>0?(i-e.top)/e.height:0]}function Zs(e){return!!(e.barWidth||e.barGap||e.barAlign)}var zi=null;function js(e,t){if(!Zs(t))return e;let{barWidth:i,barGap:o}=Js(t,1),r=i+o;return r===0?e:Math.floor(e/r)*r}function Ja({totalWidth:e,clientWidth:t,options:i}){let o=(function({clientWidth:n,totalWidth:a,options:l}){return js(Math.min(8e3,n,a),l)})({clientWidth:t,totalWidth:e,options:i});if(o===0)return{singleCanvasWidth:0,numCanvases:0,slots:[]};let r=Math.ceil(e/o),s=[];for(let n=0;n<r;n++){let a=n*o,l=js(Math.min(e-a,o),i);l>0&&s.push({index:n,offset:a,width:l})}return{singleCanvasWidth:o,numCanvases:r,slots:s}}function Xs({scrollLeft:e,clientWidth:t,singleCanvasWidth:i,numCanvases:o}){if(i<=0||o<=0)return[0];let r=Math.min(o-1,Math.floor(e/i)),s=Math.min(o-1,Math.floor((e+t)/i)),n=[];for(let a=r-1;a<=s+1;a++)n.push(a);return n}function Za(e){var t;let i=0;for(let o of e)for(let r=0;r<o.length;r++){let s=Math.abs((t=o[r])!==null&&t!==void 0?t:0);s>i&&(i=s)}return i}function Qa(e){let t=()=>({scrollLeft:e.scrollLeft,scrollWidth:e.scrollWidth,clientWidth:e.clientWidth}),i=N(t()),o=qt((()=>(function(n){let{scrollLeft:a,scrollWidth:l,clientWidth:c}=n;if(l===0)return{startX:0,endX:1};let d=a/l,h=(a+c)/l;return{startX:Math.max(0,Math.min(1,d)),endX:Math.max(0,Math.min(1,h))}})(i.value)),[i]),r=qt((()=>(function(n){return{left:n.scrollLeft,right:n.scrollLeft+n.clientWidth}})(i.value)),[i]),s=()=>{i.set(t())};return e.addEventListener("scroll",s,{passive:!0}),{scrollData:i,percentages:o,bounds:r,refresh:()=>{let n=t(),a=i.value;a.scrollLeft===n.scrollLeft&&a.scrollWidth===n.scrollWidth&&a.clientWidth===n.clientWidth||i.set(n)},cleanup:()=>{e.removeEventListener("scroll",s),o.dispose(),r.dispose()}}}var Ao=class{constructor(t,i){this.isScrollable=N(!1),this.audioData=null,this.lastContainerWidth=0,this.isDragging=!1,this.scope=new Tt,this.scrollRenderScope=this.scope.child(),this.delayScope=this.scope.child(),this.dragScope=null,this.dragStream=null,this.scrollStream=null,this.containerInlinePadding=0,this.audioDuration=N(0),this._clickSignal=N(null),this._dblclickSignal=N(null),this._dragEventsSignal=N(null),this._renderEpoch=N(0),this._renderedEpoch=N(0),this._resizeEpoch=N(0),this.onClickWrapper=n=>{let a=this.wrapper.getBoundingClientRect(),[l,c]=Us(a,n.clientX,n.clientY);this._clickSignal.set({relativeX:l,relativeY:c})},this.onDblClickWrapper=n=>{let a=this.wrapper.getBoundingClientRect(),[l,c]=Us(a,n.clientX,n.clientY);this._dblclickSignal.set({relativeX:l,relativeY:c})},this.options=t;let o=this.parentFromOptionsContainer(t.container);this.parent=o;let[r,s]=this.initHtml();o.appendChild(r),this.container=r,this.scrollContainer=s.querySelector(".scroll"),this.wrapper=s.querySelector(".wrapper"),this.canvasWrapper=s.querySelector(".canvases"),this.progressWrapper=s.querySelector(".progress"),this.cursor=s.querySelector(".cursor"),this.calculateInlinePadding(),i&&s.appendChild(i),this.initEvents(),this.visibleRange=qt((()=>{let n=this.audioDuration.value;if(!this.isScrollable.value||n===0||!this.scrollStream)return{startTime:0,endTime:n};let{startX:a,endX:l}=this.scrollStream.percentages.value;return{startTime:a*n,endTime:l*n}})),this.scope.add((()=>this.visibleRange.dispose()))}parentFromOptionsContainer(t){let i;if(typeof t=="string"?i=document.querySelector(t):Ks(t)&&(i=t),!i)throw new Error("Container not found");return i}initEvents(){if(this.scope.listen(this.wrapper,"click",this.onClickWrapper),this.scope.listen(this.wrapper,"dblclick",this.onDblClickWrapper),this.options.dragToSeek!==!0&&typeof this.options.dragToSeek!="object"||this.initDrag(),this.scrollStream=Qa(this.scrollContainer),this.scrollSignals={percentages:this.scrollStream.percentages,bounds:this.scrollStream.bounds},this.scope.add((()=>{var t;(t=this.scrollStream)===null||t===void 0||t.cleanup(),this.scrollStream=null})),typeof ResizeObserver=="function"){let t=this.createDelay(100);this.scope.createResizeObserver(this.scrollContainer,(()=>{t().then((()=>this.onContainerResize())).catch((()=>{}))}))}}onContainerResize(){var t;(t=this.scrollStream)===null||t===void 0||t.refresh();let i=this.parent.clientWidth;this.calculateInlinePadding(),i===this.lastContainerWidth&&this.options.height!=="auto"||(this.lastContainerWidth=i,this.reRender(),this._resizeEpoch.update((o=>o+1)))}initDrag(){if(this.dragStream)return;let t=this.scope.child();this.dragScope=t,this.dragStream=(function(o,r={}){let{threshold:s=3,mouseButton:n=0,touchDelay:a=100}=r,l=N(null),c=new Map,d=matchMedia("(pointer: coarse)").matches,h=()=>{},f=p=>{if(p.button!==n||c.has(p.pointerId)||(c.set(p.pointerId,p),c.size>1))return;let m=p.pointerId,v=p.clientX,b=p.clientY,w=!1,L=Date.now(),k=o.getBoundingClientRect(),{left:C,top:$}=k,E=x=>{if(x.pointerId!==m||x.defaultPrevented||c.size>1||d&&Date.now()-L<a)return;let z=x.clientX,M=x.clientY,W=z-v,U=M-b;(w||Math.abs(W)>s||Math.abs(U)>s)&&(x.preventDefault(),x.stopPropagation(),w||(l.set({type:"start",x:v-C,y:b-$}),w=!0),l.set({type:"move",x:z-C,y:M-$,deltaX:W,deltaY:U}),v=z,b=M)},y=x=>{if(c.delete(x.pointerId)){if(x.pointerId===m&&w){let z=x.clientX,M=x.clientY;l.set({type:"end",x:z-C,y:M-$})}c.size===0&&h()}},_=x=>{w&&(x.stopPropagation(),x.preventDefault())},A=x=>{x.defaultPrevented||c.size>1||w&&x.preventDefault()};window.addEventListener("pointermove",E),window.addEventListener("pointerup",y),window.addEventListener("pointercancel",y),document.addEventListener("touchmove",A,{passive:!1}),document.addEventListener("click",_,{capture:!0}),h=()=>{window.removeEventListener("pointermove",E),window.removeEventListener("pointerup",y),window.removeEventListener("pointercancel",y),document.removeEventListener("touchmove",A),setTimeout((()=>{document.removeEventListener("click",_,{capture:!0})}),10)}};return o.addEventListener("pointerdown",f),{signal:l,cleanup:()=>{h(),o.removeEventListener("pointerdown",f),c.clear()}}})(this.wrapper),t.add((()=>{var o;(o=this.dragStream)===null||o===void 0||o.cleanup(),this.dragStream=null}));let i=Eo((()=>{let o=this.dragStream.signal.value;if(!o)return;let r=this.wrapper.getBoundingClientRect().width,s=(n=o.x/r,Number.isNaN(n)||n<0?0:n>1?1:n);var n;o.type==="start"?(this.isDragging=!0,this._dragEventsSignal.set({type:"start",relativeX:s})):o.type==="move"?this._dragEventsSignal.set({type:"move",relativeX:s}):o.type==="end"&&(this.isDragging=!1,this._dragEventsSignal.set({type:"end",relativeX:s}))}),[this.dragStream.signal]);t.add(i)}disposeDrag(){var t;(t=this.dragScope)===null||t===void 0||t.dispose(),this.dragScope=null}calculateInlinePadding(){let{paddingLeft:t,paddingRight:i}=getComputedStyle(this.scrollContainer),o=parseFloat(t)+parseFloat(i);this.containerInlinePadding=Number.isNaN(o)?0:o}initHtml(){let t=document.createElement("div"),i=t.attachShadow({mode:"open"}),o=this.options.cspNonce&&typeof this.options.cspNonce=="string"?this.options.cspNonce.replace(/"/g,""):"";return i.innerHTML=`
      <style${o?` nonce="${o}"`:""}>
        :host {
          user-select: none;
          min-width: 1px;
        }
        :host audio {
          display: block;
          width: 100%;
        }
        :host .scroll {
          overflow-x: auto;
          overflow-y: hidden;
          width: 100%;
          position: relative;
        }
        :host .noScrollbar {
          scrollbar-color: transparent;
          scrollbar-width: none;
        }
        :host .noScrollbar::-webkit-scrollbar {
          display: none;
          -webkit-appearance: none;
        }
        :host .wrapper {
          position: relative;
          overflow: visible;
          z-index: 2;
        }
        :host .canvases {
          min-height: ${this.getHeight(this.options.height,this.options.splitChannels)}px;
          pointer-events: none;
        }
        :host .canvases > div {
          position: relative;
        }
        :host canvas {
          display: block;
          position: absolute;
          top: 0;
          image-rendering: pixelated;
        }
        :host .progress {
          pointer-events: none;
          position: absolute;
          z-index: 2;
          top: 0;
          left: 0;
          width: 0;
          height: 100%;
          overflow: hidden;
        }
        :host .progress > div {
          position: relative;
        }
        :host .cursor {
          pointer-events: none;
          position: absolute;
          z-index: 5;
          top: 0;
          left: 0;
          height: 100%;
          border-radius: 2px;
        }
      </style>

      <div class="scroll" part="scroll">
        <div class="wrapper" part="wrapper">
          <div class="canvases" part="canvases"></div>
          <div class="progress" part="progress"></div>
          <div class="cursor" part="cursor"></div>
        </div>
      </div>
    `,[t,i]}setOptions(t){if(this.options.container!==t.container){let i=this.parentFromOptionsContainer(t.container);i.appendChild(this.container),this.parent=i}t.dragToSeek===!0||typeof t.dragToSeek=="object"?this.initDrag():this.disposeDrag(),this.options=t,this.reRender()}getWrapper(){return this.wrapper}getWidth(){return this.scrollContainer.clientWidth-this.containerInlinePadding}getScroll(){return this.scrollContainer.scrollLeft}setScroll(t){this.scrollContainer.scrollLeft=t}setScrollPercentage(t){let{scrollWidth:i}=this.scrollContainer,o=i*t;this.setScroll(o)}getVisibleRange(){return this.visibleRange}get clickSignal(){return this._clickSignal}get dblclickSignal(){return this._dblclickSignal}get dragEventsSignal(){return this._dragEventsSignal}get renderEpoch(){return this._renderEpoch}get renderedEpoch(){return this._renderedEpoch}get resizeEpoch(){return this._resizeEpoch}getScrollSignals(){return this.scrollSignals}destroy(){this.scope.dispose(),this.audioData=null,this.container.remove()}createDelay(t=10){let i,o,r,s=()=>{i?.(),i=void 0,o?.(),o=void 0,r&&(r(),r=void 0)};return()=>new Promise(((n,a)=>{s(),r=a,i=this.delayScope.timeout((()=>{r=void 0,o?.(),o=void 0,n()}),t),o=this.delayScope.add(s)}))}getHeight(t,i){var o;let r=((o=this.audioData)===null||o===void 0?void 0:o.numberOfChannels)||1;return(function({optionsHeight:s,optionsSplitChannels:n,parentHeight:a,numberOfChannels:l,defaultHeight:c=128}){if(s==null)return c;let d=Number(s);if(!isNaN(d))return d;if(s==="auto"){let h=a||c;return n?.every((f=>!f.overlay))?h/l:h}return c})({optionsHeight:t,optionsSplitChannels:i,parentHeight:this.parent.clientHeight,numberOfChannels:r,defaultHeight:128})}convertColorValues(t,i){return(function(o,r,s){if(!Array.isArray(o))return o||"";if(o.length===0)return"#999";if(o.length<2)return o[0]||"";zi!=null||(zi=document.createElement("canvas"));let n=zi.getContext("2d");if(!n)return o[0]||"";let a=s||zi.height*r,l=n.createLinearGradient(0,0,0,a),c=1/(o.length-1);return o.forEach(((d,h)=>{l.addColorStop(h*c,d)})),l})(t,this.getPixelRatio(),i?.canvas.height)}getPixelRatio(){return t=window.devicePixelRatio,Math.max(1,t||1);var t}renderBarWaveform(t,i,o,r){let{width:s,height:n}=o.canvas,{halfHeight:a,barWidth:l,barRadius:c,barIndexScale:d,barSpacing:h,barMinHeight:f}=(function({width:m,height:v,length:b,options:w,pixelRatio:L}){let k=v/2,{barWidth:C,barGap:$}=Js(w,L),E=C+$||1;return{halfHeight:k,barWidth:C,barGap:$,barRadius:w.barRadius||0,barMinHeight:w.barMinHeight?w.barMinHeight*L:0,barIndexScale:b>0?m/E/b:0,barSpacing:E}})({width:s,height:n,length:(t[0]||[]).length,options:i,pixelRatio:this.getPixelRatio()}),p=(function({channelData:m,barIndexScale:v,barSpacing:b,barWidth:w,halfHeight:L,vScale:k,canvasHeight:C,barAlign:$,barMinHeight:E}){let y=m[0]||[],_=m[1]||y,A=y.length,x=[],z=0,M=0,W=0;for(let U=0;U<=A;U++){let Q=Math.round(U*v);if(Q>z){let{topHeight:ot,totalHeight:dt}=Ka({maxTop:M,maxBottom:W,halfHeight:L,vScale:k,barMinHeight:E,barAlign:$}),le=Ga({barAlign:$,halfHeight:L,topHeight:ot,totalHeight:dt,canvasHeight:C});x.push({x:z*b,y:le,width:w,height:dt}),z=Q,M=0,W=0}let at=Math.abs(y[U]||0),lt=Math.abs(_[U]||0);at>M&&(M=at),lt>W&&(W=lt)}return x})({channelData:t,barIndexScale:d,barSpacing:h,barWidth:l,halfHeight:a,vScale:r,canvasHeight:n,barAlign:i.barAlign,barMinHeight:f});o.beginPath();for(let m of p)c&&"roundRect"in o?o.roundRect(m.x,m.y,m.width,m.height,c):o.rect(m.x,m.y,m.width,m.height);o.fill(),o.closePath()}renderLineWaveform(t,i,o,r){let{width:s,height:n}=o.canvas,a=(function({channelData:l,width:c,height:d,vScale:h}){let f=d/2,p=l[0]||[];return[p,l[1]||p].map(((m,v)=>{let b=m.length,w=b?c/b:0,L=f,k=v===0?-1:1,C=[{x:0,y:L}],$=0,E=0;for(let y=0;y<=b;y++){let _=Math.round(y*w);if(_>$){let x=L+(Math.round(E*f*h)||1)*k;C.push({x:$,y:x}),$=_,E=0}let A=Math.abs(m[y]||0);A>E&&(E=A)}return C.push({x:$,y:L}),C}))})({channelData:t,width:s,height:n,vScale:r});o.beginPath();for(let l of a)if(l.length){o.moveTo(l[0].x,l[0].y);for(let c=1;c<l.length;c++){let d=l[c];o.lineTo(d.x,d.y)}}o.fill(),o.closePath()}renderWaveform(t,i,o){if(o.fillStyle=this.convertColorValues(i.waveColor,o),i.renderFunction)return void i.renderFunction(t,o);let r=(function({channelData:s,barHeight:n,normalize:a,maxPeak:l}){var c;let d=n||1;if(!a)return d;let h=s[0];if(!h||h.length===0)return d;let f=l??0;if(!l)for(let p=0;p<h.length;p++){let m=(c=h[p])!==null&&c!==void 0?c:0,v=Math.abs(m);v>f&&(f=v)}return f?d/f:d})({channelData:t,barHeight:i.barHeight,normalize:i.normalize,maxPeak:i.maxPeak});Zs(i)?this.renderBarWaveform(t,i,o,r):this.renderLineWaveform(t,i,o,r)}renderSingleCanvas(t,i,o,r,s,n,a){let l=this.getPixelRatio(),c=document.createElement("canvas");c.width=Math.round(o*l),c.height=Math.round(r*l),c.style.width=`${o}px`,c.style.height=`${r}px`,c.style.left=`${Math.round(s)}px`,n.appendChild(c);let d=c.getContext("2d");if(i.renderFunction?(d.fillStyle=this.convertColorValues(i.waveColor,d),i.renderFunction(t,d)):this.renderWaveform(t,i,d),c.width>0&&c.height>0){let h=c.cloneNode(),f=h.getContext("2d");f.drawImage(c,0,0),f.globalCompositeOperation="source-in",f.fillStyle=this.convertColorValues(i.progressColor,f),f.fillRect(0,0,c.width,c.height),a.appendChild(h)}}renderMultiCanvas(t,i,o,r,s,n){let a=this.getPixelRatio(),{clientWidth:l}=this.scrollContainer,c=o/a,d=Ja({clientWidth:l,totalWidth:c,options:i}),h={};if(d.singleCanvasWidth===0)return;let f=p=>{let m=d.slots[p];if(!m||h[p])return;h[p]=!0;let v=(function({channelData:b,offset:w,clampedWidth:L,totalWidth:k}){return b.map((C=>{let $=Math.floor(w/k*C.length),E=Math.floor((w+L)/k*C.length);return C.slice($,E)}))})({channelData:t,offset:m.offset,clampedWidth:m.width,totalWidth:c});this.renderSingleCanvas(v,i,m.width,r,m.offset,s,n)};if(!this.isScrollable.value){for(let p=0;p<d.numCanvases;p++)f(p);return}if(Xs({scrollLeft:this.scrollContainer.scrollLeft,clientWidth:l,singleCanvasWidth:d.singleCanvasWidth,numCanvases:d.numCanvases}).forEach((p=>f(p))),d.numCanvases>1){let p=Eo((()=>{let{scrollLeft:m,clientWidth:v}=this.scrollContainer;Object.keys(h).length>10&&(s.innerHTML="",n.innerHTML="",h={}),Xs({scrollLeft:m,clientWidth:v,singleCanvasWidth:d.singleCanvasWidth,numCanvases:d.numCanvases}).forEach((b=>f(b)))}),[this.visibleRange]);this.scrollRenderScope.add(p)}}renderChannel(t,i,o,r){var{overlay:s}=i,n=(function(d,h){var f={};for(var p in d)Object.prototype.hasOwnProperty.call(d,p)&&h.indexOf(p)<0&&(f[p]=d[p]);if(d!=null&&typeof Object.getOwnPropertySymbols=="function"){var m=0;for(p=Object.getOwnPropertySymbols(d);m<p.length;m++)h.indexOf(p[m])<0&&Object.prototype.propertyIsEnumerable.call(d,p[m])&&(f[p[m]]=d[p[m]])}return f})(i,["overlay"]);let a=document.createElement("div"),l=this.getHeight(n.height,n.splitChannels);a.style.height=`${l}px`,s&&r>0&&(a.style.marginTop=`-${l}px`),this.canvasWrapper.style.minHeight=`${l}px`,this.canvasWrapper.appendChild(a);let c=a.cloneNode();this.progressWrapper.appendChild(c),n.normalize&&n.maxPeak==null&&(n=Object.assign(Object.assign({},n),{maxPeak:Za(t)})),this.renderMultiCanvas(t,n,o,l,a,c)}render(t){return ht(this,void 0,void 0,(function*(){var i,o;this.delayScope.dispose(),this.delayScope=this.scope.child(),this.scrollRenderScope.dispose(),this.scrollRenderScope=this.scope.child(),this.canvasWrapper.innerHTML="",this.progressWrapper.innerHTML="",this.options.width!=null?this.scrollContainer.style.width=typeof this.options.width=="number"?`${this.options.width}px`:this.options.width:this.scrollContainer.style.width="";let r=this.getPixelRatio(),s=this.scrollContainer.clientWidth-this.containerInlinePadding,{scrollWidth:n,isScrollable:a,useParentWidth:l,width:c}=(function({duration:d,minPxPerSec:h=0,parentWidth:f,fillParent:p,pixelRatio:m}){let v=Math.ceil(d*h),b=v>f,w=!!(p&&!b);return{scrollWidth:v,isScrollable:b,useParentWidth:w,width:(w?f:v)*m}})({duration:t.duration,minPxPerSec:this.options.minPxPerSec||0,parentWidth:s,fillParent:this.options.fillParent,pixelRatio:r});if(this.isScrollable.set(a),this.wrapper.style.width=l?"100%":`${n}px`,this.scrollContainer.style.overflowX=this.isScrollable.value?"auto":"hidden",this.scrollContainer.classList.toggle("noScrollbar",!!this.options.hideScrollbar),this.cursor.style.backgroundColor=`${this.options.cursorColor||this.options.progressColor}`,this.cursor.style.width=`${this.options.cursorWidth}px`,(i=this.scrollStream)===null||i===void 0||i.refresh(),this.audioData=t,this.audioDuration.set(t.duration),this._renderEpoch.update((d=>d+1)),this.options.splitChannels)for(let d=0;d<t.numberOfChannels;d++){let h=Object.assign(Object.assign({},this.options),(o=this.options.splitChannels)===null||o===void 0?void 0:o[d]);this.renderChannel([t.getChannelData(d)],h,c,d)}else{let d=[t.getChannelData(0)];t.numberOfChannels>1&&d.push(t.getChannelData(1)),this.renderChannel(d,this.options,c,0)}Promise.resolve().then((()=>this._renderedEpoch.update((d=>d+1))))}))}reRender(){if(this.scrollRenderScope.dispose(),this.scrollRenderScope=this.scope.child(),!this.audioData)return;let{scrollWidth:t}=this.scrollContainer,{right:i}=this.progressWrapper.getBoundingClientRect();if(this.render(this.audioData),!this.isScrollable.value&&this.scrollContainer.scrollLeft)this.scrollContainer.scrollLeft=0;else if(this.isScrollable.value&&t!==this.scrollContainer.scrollWidth){let{right:r}=this.progressWrapper.getBoundingClientRect(),s=(o=r-i,Math.sign(o)*Math.round(Math.abs(o)));this.scrollContainer.scrollLeft+=s}var o}zoom(t){this.options.minPxPerSec=t,this.reRender()}scrollIntoView(t,i=!1){var o;let{scrollLeft:r,scrollWidth:s,clientWidth:n}=this.scrollContainer,a=t*s,l=r,c=r+n,d=n/2;if(this.isDragging)a+30>c?this.scrollContainer.scrollLeft+=30:a-30<l&&(this.scrollContainer.scrollLeft-=30);else{(a<l||a>c)&&(this.scrollContainer.scrollLeft=a-(this.options.autoCenter?d:0));let h=a-r-d;if(i&&this.options.autoCenter&&h>0){let f=(o=this.audioData)===null||o===void 0?void 0:o.duration;if(f===void 0||f<=0)return void(this.scrollContainer.scrollLeft+=h);let p=s/f;this.scrollContainer.scrollLeft+=p<=600?Math.min(h,10):h}}}renderProgress(t,i){if(isNaN(t))return;let o=100*t;this.canvasWrapper.style.clipPath=`polygon(${o}% 0%, 100% 0%, 100% 100%, ${o}% 100%)`,this.progressWrapper.style.width=`${o}%`,this.cursor.style.left=`${o}%`,this.cursor.style.transform=this.options.cursorWidth?`translateX(-${t*this.options.cursorWidth}px)`:"",this.isScrollable.value&&this.options.autoScroll&&this.audioData&&this.audioData.duration>0&&this.scrollIntoView(t,i)}exportImage(t,i,o){return ht(this,void 0,void 0,(function*(){let r=this.canvasWrapper.querySelectorAll("canvas");if(!r.length)throw new Error("No waveform data");if(o==="dataURL"){let s=Array.from(r).map((n=>n.toDataURL(t,i)));return Promise.resolve(s)}return Promise.all(Array.from(r).map((s=>new Promise(((n,a)=>{s.toBlob((l=>{l?n(l):a(new Error("Could not export image"))}),t,i)})))))}))}},We=class extends Ne{constructor(t){super(),this.bufferNode=null,this.playStartTime=0,this.playbackPosition=0,this._muted=!1,this._playbackRate=1,this._duration=void 0,this.buffer=null,this.currentSrc="",this.paused=!0,this.crossOrigin=null,this.seeking=!1,this.autoplay=!1,this.error=null,this.scope=new Tt,this.scheduledStop=null,this.addEventListener=this.on,this.removeEventListener=this.un,this._destroyed=!1,this.srcGeneration=0,this.srcFetchAbort=null,(function(){let i=globalThis.navigator;if(i?.audioSession)try{i.audioSession.type="playback"}catch(o){console.warn("Setting navigator.audioSession.type failed:",o)}})(),this.audioContext=t||new AudioContext,this.gainNode=this.audioContext.createGain(),this.gainNode.connect(this.audioContext.destination)}load(){return ht(this,void 0,void 0,(function*(){}))}remove(){this.destroy()}destroy(){var t;if(!this._destroyed){if(this._destroyed=!0,this.scope.dispose(),this.scheduledStop=null,this.srcGeneration++,(t=this.srcFetchAbort)===null||t===void 0||t.abort(),this.srcFetchAbort=null,this.currentSrc="",this.bufferNode){this.bufferNode.onended=null;try{this.bufferNode.stop()}catch{}this.bufferNode.disconnect(),this.bufferNode=null}this.gainNode.disconnect(),typeof this.audioContext.close=="function"&&Promise.resolve(this.audioContext.close.call(this.audioContext)).catch((()=>{})),this.buffer=null,this.unAll()}}get src(){return this.currentSrc}set src(t){var i;this.currentSrc=t,this._duration=void 0,this.error=null;let o=++this.srcGeneration;if((i=this.srcFetchAbort)===null||i===void 0||i.abort(),this.srcFetchAbort=null,!t)return this.buffer=null,void this.emit("emptied");let r=new AbortController;this.srcFetchAbort=r,fetch(t,{signal:r.signal}).then((s=>{if(s.status>=400)throw new Error(`Failed to fetch ${t}: ${s.status} (${s.statusText})`);return s.arrayBuffer()})).then((s=>o!==this.srcGeneration?null:this.audioContext.decodeAudioData(s))).then((s=>{o===this.srcGeneration&&(this.buffer=s,this.emit("loadedmetadata"),this.emit("canplay"),this.autoplay&&this.play())})).catch((s=>{o===this.srcGeneration&&(console.error("WebAudioPlayer load error:",s),this.error=s instanceof Error?s:new Error(String(s)),this.emit("error",this.error))}))}_play(){if(!this.paused)return;this.paused=!1,this.bufferNode&&(this.bufferNode.onended=null,this.bufferNode.disconnect()),this.bufferNode=this.audioContext.createBufferSource(),this.buffer&&(this.bufferNode.buffer=this.buffer),this.bufferNode.playbackRate.value=this._playbackRate,this.bufferNode.connect(this.gainNode);let t=this.playbackPosition;(t>=this.duration||t<0)&&(t=0,this.playbackPosition=0),this.bufferNode.start(this.audioContext.currentTime,t),this.playStartTime=this.audioContext.currentTime,this.bufferNode.onended=()=>{!this.paused&&this.duration-this.currentTime<.01&&(this.pause(),this.emit("ended"))}}_pause(){if(this.scheduledStop&&this.currentTime<this.scheduledStop.time&&this.cancelScheduledStop(),this.playbackPosition=this.currentTime,this.paused=!0,this.bufferNode){this.bufferNode.onended=null;try{this.bufferNode.stop()}catch{}}}play(){return ht(this,void 0,void 0,(function*(){this.paused&&(this.audioContext.state==="suspended"&&typeof this.audioContext.resume=="function"&&this.audioContext.resume().catch((()=>{})),this._play(),this.emit("play"))}))}pause(){this.paused||(this._pause(),this.emit("pause"))}cancelScheduledStop(){var t;(t=this.scheduledStop)===null||t===void 0||t.cancel(),this.scheduledStop=null}stopAt(t){let i=this.bufferNode;if(!i)return;this.cancelScheduledStop();let o=(t-this.currentTime)/this._playbackRate;i.stop(this.audioContext.currentTime+Math.max(0,o));let r=this.scope.listen(i,"ended",(()=>{let s=this.scheduledStop;s?.node===i&&(this.scheduledStop=null,s.cancel(),i===this.bufferNode&&(this.bufferNode=null,this.pause(),this.playbackPosition=Math.min(t,this.duration),this.emit("timeupdate")))}),{once:!0});this.scheduledStop={node:i,time:t,cancel:r}}setSinkId(t){return ht(this,void 0,void 0,(function*(){return this.audioContext.setSinkId(t)}))}get playbackRate(){return this._playbackRate}set playbackRate(t){let i=!this.paused;i&&this._pause(),this._playbackRate=t,i&&this._play(),this.bufferNode&&(this.bufferNode.playbackRate.value=t)}get currentTime(){return this.paused?this.playbackPosition:this.playbackPosition+(this.audioContext.currentTime-this.playStartTime)*this._playbackRate}set currentTime(t){let i=!this.paused;i&&this._pause(),this.playbackPosition=t,i&&this._play(),this.emit("seeking"),this.emit("seeked"),this.emit("timeupdate")}get duration(){var t,i;return(t=this._duration)!==null&&t!==void 0?t:((i=this.buffer)===null||i===void 0?void 0:i.duration)||0}set duration(t){this._duration=t}get volume(){return this.gainNode.gain.value}set volume(t){this.gainNode.gain.value=t,this.emit("volumechange")}get muted(){return this._muted}set muted(t){this._muted!==t&&(this._muted=t,this._muted?this.gainNode.disconnect():this.gainNode.connect(this.audioContext.destination))}canPlayType(t){return/^(audio|video)\//.test(t)}getGainNode(){return this.gainNode}getChannelData(){let t=[];if(!this.buffer)return t;let i=this.buffer.numberOfChannels;for(let o=0;o<i;o++)t.push(this.buffer.getChannelData(o));return t}removeAttribute(t){switch(t){case"src":this.src="";break;case"playbackRate":this.playbackRate=0;break;case"currentTime":this.currentTime=0;break;case"duration":this.duration=0;break;case"volume":this.volume=0;break;case"muted":this.muted=!1}}},tl={waveColor:"#999",progressColor:"#555",cursorWidth:1,minPxPerSec:0,fillParent:!0,interact:!0,dragToSeek:!1,autoScroll:!0,autoCenter:!0,sampleRate:8e3},Ot=class e extends Ne{static create(t){return new e(t)}getState(){return this.wavesurferState}getRenderer(){return this.renderer}constructor(t){var i,o;super(),this.plugins=[],this.decodedData=null,this.stopAtPosition=null,this.internalWebAudioPlayer=null,this.webAudioPlayer=null,this.scope=new Tt,this.mediaEventScope=this.scope.child(),this.frameScheduler=new Lo(this.scope),this.loadScope=null,this.supersededLoadScopes=new WeakSet,this.isDestroyed=!1,this.onTick=()=>{if(!this.isSeeking()){let h=this.updateProgress();if(this.emit("timeupdate",h),this.emit("audioprocess",h),this.stopAtPosition!=null&&this.isPlaying()&&h>=this.stopAtPosition){let f=this.stopAtPosition;this.pause(),this.setTime(f)}}};let r=t.media||t.backend!=="WebAudio"?null:new We,s=(o=(i=t.media)!==null&&i!==void 0?i:r)!==null&&o!==void 0?o:void 0;this.player=new ko({media:s,mediaControls:t.mediaControls,autoplay:t.autoplay,playbackRate:t.audioRate}),this.internalWebAudioPlayer=r,this.webAudioPlayer=r??(t.media instanceof We?t.media:null),this.options=Object.assign({},tl,t);let{state:n,actions:a,dispose:l}=(function(h){var f,p,m,v,b,w,L;let k=(f=h?.currentTime)!==null&&f!==void 0?f:N(0),C=(p=h?.duration)!==null&&p!==void 0?p:N(0),$=(m=h?.isPlaying)!==null&&m!==void 0?m:N(!1),E=(v=h?.isSeeking)!==null&&v!==void 0?v:N(!1),y=(b=h?.volume)!==null&&b!==void 0?b:N(1),_=(w=h?.muted)!==null&&w!==void 0?w:N(!1),A=(L=h?.playbackRate)!==null&&L!==void 0?L:N(1),x=N(null),z=N(null),M=N(""),W=N(0),U=N(0),Q=N("idle"),at=qt((()=>!$.value),[$]),lt=qt((()=>x.value!==null),[x]),ot=qt((()=>lt.value&&C.value>0),[lt,C]),dt=qt((()=>k.value),[k]),le=qt((()=>C.value>0?k.value/C.value:0),[k,C]),Cn=[at,lt,ot,dt,le];return{state:{currentTime:k,duration:C,isPlaying:$,isPaused:at,isSeeking:E,volume:y,muted:_,playbackRate:A,audioBuffer:x,peaks:z,url:M,zoom:W,scrollPosition:U,loadPhase:Q,canPlay:lt,isReady:ot,progress:dt,progressPercent:le},actions:{setCurrentTime:j=>{let At=Math.max(0,Math.min(C.value||1/0,j));k.set(At)},setDuration:j=>{C.set(Math.max(0,j))},setPlaying:j=>{$.set(j)},setSeeking:j=>{E.set(j)},setVolume:j=>{let At=Math.max(0,Math.min(1,j));y.set(At)},setPlaybackRate:j=>{let At=Math.max(.1,Math.min(16,j));A.set(At)},setAudioBuffer:j=>{if(x.set(j),j){let At=C.value;(At===0||Number.isNaN(At)||At===1/0)&&C.set(j.duration)}},setPeaks:j=>{z.set(j)},setUrl:j=>{M.set(j)},setZoom:j=>{W.set(Math.max(0,j))},setScrollPosition:j=>{U.set(Math.max(0,j))},setLoadPhase:j=>{Q.set(j)}},dispose:()=>{Cn.forEach((j=>j.dispose()))}}})({isPlaying:this.player.isPlayingSignal,currentTime:this.player.currentTimeSignal,duration:this.player.durationSignal,volume:this.player.volumeSignal,muted:this.player.mutedSignal,playbackRate:this.player.playbackRateSignal,isSeeking:this.player.seekingSignal});this.wavesurferState=n,this.wavesurferActions=a,this.scope.add(l);let c=s?void 0:this.player.getMediaElement();this.renderer=new Ao(this.options,c),this.initPlayerEvents(),this.initRendererEvents(),this.initPlugins();let d=this.options.url||this.player.getSrc()||"";Promise.resolve().then((()=>{if(this.isDestroyed)return;this.emit("init");let{peaks:h,duration:f}=this.options;(d||h&&f)&&this.load(d,h,f).catch((()=>{}))}))}updateProgress(t=this.getCurrentTime()){return this.renderer.renderProgress(t/this.getDuration(),this.isPlaying()),t}initPlayerEvents(){this.isPlaying()&&(this.emit("play"),this.frameScheduler.start(this.onTick)),this.mediaEventScope.add(this.player.onMediaEvent("timeupdate",(()=>{let t=this.updateProgress();if(this.emit("timeupdate",t),this.stopAtPosition!=null&&this.isPlaying()&&t>=this.stopAtPosition){let i=this.stopAtPosition;this.pause(),this.setTime(i)}}))),this.mediaEventScope.add(this.player.onMediaEvent("play",(()=>{this.emit("play"),this.frameScheduler.start(this.onTick)}))),this.mediaEventScope.add(this.player.onMediaEvent("pause",(()=>{this.emit("pause"),this.frameScheduler.stop(),this.stopAtPosition=null}))),this.mediaEventScope.add(this.player.onMediaEvent("emptied",(()=>{this.frameScheduler.stop(),this.stopAtPosition=null}))),this.mediaEventScope.add(this.player.onMediaEvent("ended",(()=>{this.emit("timeupdate",this.getDuration()),this.emit("finish"),this.stopAtPosition=null}))),this.mediaEventScope.add(this.player.onMediaEvent("seeking",(()=>{this.emit("seeking",this.getCurrentTime())}))),this.mediaEventScope.add(this.player.onMediaEvent("error",(()=>{let t=this.player.getMediaElement().error,i;i=t instanceof Error?t:t?new Error(t.message||`Media error ${t.code}`):new Error("Media error"),this.emit("error",i),this.stopAtPosition=null})))}initRendererEvents(){this.scope.add(this.renderer.clickSignal.subscribe((t=>{t&&this.options.interact&&(this.seekTo(t.relativeX),this.emit("interaction",t.relativeX*this.getDuration()),this.emit("click",t.relativeX,t.relativeY))}))),this.scope.add(this.renderer.dblclickSignal.subscribe((t=>{t&&this.emit("dblclick",t.relativeX,t.relativeY)})));{let{percentages:t,bounds:i}=this.renderer.getScrollSignals();this.scope.add(Eo((()=>{let{startX:o,endX:r}=t.value,{left:s,right:n}=i.value,a=this.getDuration();this.wavesurferActions.setScrollPosition(s),this.emit("scroll",o*a,r*a,s,n)}),[t,i]))}this.scope.add(this.renderer.renderEpoch.subscribe((()=>{this.emit("redraw")}))),this.scope.add(this.renderer.renderedEpoch.subscribe((()=>{this.emit("redrawcomplete")}))),this.scope.add(this.renderer.resizeEpoch.subscribe((()=>{this.emit("resize")})));{let t,i=this.renderer.dragEventsSignal.subscribe((o=>{var r;if(!o)return;let{relativeX:s}=o;if(o.type==="start")return void this.emit("dragstart",s);if(o.type==="end")return void this.emit("dragend",s);if(!this.options.interact)return;this.renderer.renderProgress(s),t?.();let n=0,a=this.options.dragToSeek;this.isPlaying()?n=0:a===!0?n=200:a&&typeof a=="object"&&(n=(r=a.debounceTime)!==null&&r!==void 0?r:200),t=this.scope.timeout((()=>{this.seekTo(s)}),n),this.emit("interaction",s*this.getDuration()),this.emit("drag",s)}));this.scope.add(i)}}initPlugins(){var t;!((t=this.options.plugins)===null||t===void 0)&&t.length&&this.options.plugins.forEach((i=>{this.registerPlugin(i)}))}unsubscribePlayerEvents(){this.mediaEventScope.dispose(),this.mediaEventScope=this.scope.child()}setOptions(t){this.isDestroyed||(this.options=Object.assign({},this.options,t),t.duration&&!t.peaks&&(this.decodedData=$i.createBuffer(this.exportPeaks(),t.duration),this.wavesurferActions.setAudioBuffer(this.decodedData)),t.peaks&&t.duration&&(this.decodedData=$i.createBuffer(t.peaks,t.duration),this.wavesurferActions.setAudioBuffer(this.decodedData)),this.renderer.setOptions(this.options),t.audioRate&&this.setPlaybackRate(t.audioRate),t.mediaControls!=null&&(this.player.getMediaElement().controls=t.mediaControls))}registerPlugin(t){if(this.isDestroyed)throw new Error("Cannot register a plugin: wavesurfer was destroyed. Create a new instance instead.");if(this.plugins.includes(t))return t;t._init(this),this.plugins.push(t);let i=this.scope.add(t.once("destroy",(()=>{this.plugins=this.plugins.filter((o=>o!==t)),i()})));return t}unregisterPlugin(t){this.plugins=this.plugins.filter((i=>i!==t)),t.destroy()}getWrapper(){return this.renderer.getWrapper()}getWidth(){return this.renderer.getWidth()}getScroll(){return this.renderer.getScroll()}setScroll(t){if(!this.isDestroyed)return this.renderer.setScroll(t)}setScrollTime(t){let i=t/this.getDuration();this.renderer.setScrollPercentage(i)}getActivePlugins(){return this.plugins}bailedLoadOutcome(t){return this.supersededLoadScopes.has(t)?"superseded":void 0}loadAudio(t,i,o,r){return ht(this,void 0,void 0,(function*(){var s;if(this.isDestroyed)throw new Error("Cannot load audio: wavesurfer was destroyed. Create a new instance instead.");this.loadScope&&!this.loadScope.disposed&&this.supersededLoadScopes.add(this.loadScope),(s=this.loadScope)===null||s===void 0||s.dispose();let n=this.scope.child();this.loadScope=n;try{if(this.emit("load",t),n.disposed||i||o||this.wavesurferActions.setLoadPhase("fetching"),this.wavesurferActions.setUrl(t||""),o?this.wavesurferActions.setPeaks(o):this.wavesurferActions.setPeaks(null),!this.options.media&&this.isPlaying()&&this.pause(),this.decodedData=null,this.wavesurferActions.setAudioBuffer(null),this.stopAtPosition=null,!i&&!o){let l=Object.assign({},this.options.fetchParams);l.signal||(l.signal=n.abortSignal());let c=h=>this.emit("loading",h);if(i=yield Ya.fetchBlob(t,c,l),n.disposed)return this.bailedLoadOutcome(n);let d=this.options.blobMimeType;d&&(i=new Blob([i],{type:d}))}if(n.disposed)return this.bailedLoadOutcome(n);this.player.setSrc(t,i);let a=yield new Promise((l=>{let c=r||this.getDuration();if(c)l(c);else{this.mediaEventScope.add(this.player.onMediaEvent("loadedmetadata",(()=>l(this.getDuration())),{once:!0}));let d=this.mediaEventScope.add((()=>l(0)));n.add(d)}}));if(n.disposed)return this.bailedLoadOutcome(n);if(t||i||!this.webAudioPlayer||(this.webAudioPlayer.duration=a),n.disposed||this.wavesurferActions.setLoadPhase("decoding"),o)this.decodedData=$i.createBuffer(o,a||0);else if(i){let l=yield i.arrayBuffer();if(n.disposed)return this.bailedLoadOutcome(n);let c=yield $i.decode(l,this.options.sampleRate);if(n.disposed)return this.bailedLoadOutcome(n);this.decodedData=c}if(n.disposed)return this.bailedLoadOutcome(n);this.decodedData&&(this.wavesurferActions.setAudioBuffer(this.decodedData),this.emit("decode",this.getDuration()),this.renderer.render(this.decodedData)),n.disposed||this.wavesurferActions.setLoadPhase("ready"),this.emit("ready",this.getDuration())}catch(a){if(!this.supersededLoadScopes.has(n))throw this.loadScope!==n&&this.loadScope!==null||this.wavesurferActions.setLoadPhase("error"),a;return"superseded"}}))}classifyLoadResult(t){let i=t.then((o=>{if(o==="superseded")throw new DOMException("The load was superseded by a newer load call","AbortError")}),(o=>{throw this.emit("error",o),o}));return i.catch((()=>{})),i}load(t,i,o){return this.classifyLoadResult(this.loadAudio(t,void 0,i,o))}loadBlob(t,i,o){return this.classifyLoadResult(this.loadAudio("",t,i,o))}zoom(t){if(!this.decodedData)throw new Error("No audio loaded");this.renderer.zoom(t),this.wavesurferActions.setZoom(t),this.emit("zoom",t)}getDecodedData(){return this.decodedData}exportPeaks({channels:t=2,maxLength:i=8e3,precision:o=1e4}={}){if(!this.decodedData)throw new Error("The audio has not been decoded yet");let r=Math.min(t,this.decodedData.numberOfChannels),s=[];for(let n=0;n<r;n++){let a=this.decodedData.getChannelData(n),l=[],c=a.length/i;for(let d=0;d<i;d++){let h=a.slice(Math.floor(d*c),Math.ceil((d+1)*c)),f=0;for(let p=0;p<h.length;p++){let m=h[p];Math.abs(m)>Math.abs(f)&&(f=m)}l.push(Math.round(f*o)/o)}s.push(l)}return s}getDuration(){let t=this.player.getDuration()||0;return t!==0&&t!==1/0||!this.decodedData||(t=this.decodedData.duration),t}toggleInteraction(t){this.options.interact=t}setTime(t){this.isDestroyed||(this.stopAtPosition=null,this.player.setTime(t),this.updateProgress(t),this.emit("timeupdate",t))}seekTo(t){let i=this.getDuration()*t;this.setTime(i)}pause(){this.isDestroyed||this.player.pause()}isPlaying(){return this.player.isPlaying()}isSeeking(){return this.player.isSeeking()}getCurrentTime(){return this.player.getCurrentTime()}getVolume(){return this.player.getVolume()}setVolume(t){this.isDestroyed||this.player.setVolume(t)}getMuted(){return this.player.getMuted()}setMuted(t){this.isDestroyed||this.player.setMuted(t)}getPlaybackRate(){return this.player.getPlaybackRate()}setPlaybackRate(t,i){this.isDestroyed||this.player.setPlaybackRate(t,i)}setSinkId(t){return this.isDestroyed?Promise.resolve():this.player.setSinkId(t)}getMediaElement(){return this.webAudioPlayer?null:this.player.getMediaElement()}play(t,i){return ht(this,void 0,void 0,(function*(){if(this.isDestroyed)return;t!=null&&this.setTime(t);let o=yield this.player.play();return i!=null&&(this.webAudioPlayer?this.webAudioPlayer.stopAt(i):this.stopAtPosition=i),o}))}playPause(){return ht(this,void 0,void 0,(function*(){return this.isPlaying()?this.pause():this.play()}))}stop(){this.pause(),this.setTime(0)}skip(t){this.setTime(this.getCurrentTime()+t)}empty(){this.load("",[[0]],.001).catch((()=>{}))}setMediaElement(t){this.isDestroyed||(this.unsubscribePlayerEvents(),this.player.setMediaElement(t),this.webAudioPlayer=t instanceof We?t:null,this.initPlayerEvents())}exportImage(){return ht(this,arguments,void 0,(function*(t="image/png",i=1,o="dataURL"){return this.renderer.exportImage(t,i,o)}))}destroy(){var t;this.isDestroyed||(this.isDestroyed=!0,this.emit("destroy"),this.plugins.forEach((i=>i.destroy())),this.scope.dispose(),this.loadScope=null,this.decodedData=null,this.wavesurferActions.setAudioBuffer(null),this.renderer.destroy(),this.player.destroy(),this.unAll(),(t=this.internalWebAudioPlayer)===null||t===void 0||t.destroy())}};Ot.BasePlugin=_i,Ot.dom=Xa,Ot.definePlugin=function(e,t){class i extends _i{static create(...r){return new i(r[0])}onInit(){this.scope.dispose(),this.scope=new Tt;let r=this,s={get wavesurfer(){return r.wavesurfer},get state(){return r.wavesurfer.getState()},scope:this.scope,emit:(a,...l)=>this.emit(a,...l)},n=t(s,this.options);for(let a of Object.keys(n))if(ja.has(a))throw new Error(`definePlugin('${e}'): api key "${a}" collides with the plugin chassis`);Object.assign(this,n)}destroy(){this.scope.dispose(),super.destroy()}}return Object.defineProperty(i,"name",{value:e}),i};function $o(e,t,i,o){return new(i||(i=Promise))((function(r,s){function n(c){try{l(o.next(c))}catch(d){s(d)}}function a(c){try{l(o.throw(c))}catch(d){s(d)}}function l(c){var d;c.done?r(c.value):(d=c.value,d instanceof i?d:new i((function(h){h(d)}))).then(n,a)}l((o=o.apply(e,t||[])).next())}))}var _o=class{constructor(){this.listeners={}}on(t,i,o){if(this.listeners[t]||(this.listeners[t]=new Set),o?.once){let r=(...s)=>{this.un(t,r),i(...s)};return this.listeners[t].add(r),()=>this.un(t,r)}return this.listeners[t].add(i),()=>this.un(t,i)}un(t,i){var o;(o=this.listeners[t])===null||o===void 0||o.delete(i)}once(t,i){return this.on(t,i,{once:!0})}unAll(){this.listeners={}}emit(t,...i){this.listeners[t]&&this.listeners[t].forEach((o=>o(...i)))}},Ri=class e{constructor(){this.disposers=[],this.children=new Set,this.parent=null,this._disposed=!1,this.abortController=null}get disposed(){return this._disposed}add(t){return this._disposed?(this.safeRun(t),()=>{}):(this.disposers.push(t),()=>{let i=this.disposers.indexOf(t);i!==-1&&(this.disposers.splice(i,1),this.safeRun(t))})}child(){let t=new e;return this._disposed?(t.dispose(),t):(t.parent=this,this.children.add(t),t)}listen(t,i,o,r){return t.addEventListener(i,o,r),this.add((()=>t.removeEventListener(i,o,r)))}timeout(t,i){let o=setTimeout((()=>{r(),t()}),i),r=this.add((()=>clearTimeout(o)));return r}interval(t,i){let o=setInterval(t,i);return this.add((()=>clearInterval(o)))}raf(t){let i=requestAnimationFrame((r=>{o(),t(r)})),o=this.add((()=>cancelAnimationFrame(i)));return o}observeResize(t,i){t.observe(i),this.add((()=>t.unobserve(i)))}createResizeObserver(t,i){let o=new ResizeObserver(i);return o.observe(t),this.add((()=>o.disconnect())),o}abortSignal(){return this.abortController||(this.abortController=new AbortController,this._disposed&&this.abortController.abort()),this.abortController.signal}dispose(){var t;if(this._disposed)return;this._disposed=!0,this.parent&&(this.parent.children.delete(this),this.parent=null);for(let o of[...this.children])o.dispose();this.children.clear();let i=this.disposers;this.disposers=[];for(let o=i.length-1;o>=0;o--)this.safeRun(i[o]);(t=this.abortController)===null||t===void 0||t.abort()}safeRun(t){try{t()}catch(i){console.error("Scope disposer error:",i)}}},Ro=class extends _o{get destroyed(){return this.isDestroyed}constructor(t){super(),this.subscriptions=[],this.scope=new Ri,this.isDestroyed=!1,this.options=t}onInit(){}_init(t){this.isDestroyed=!1,this.wavesurfer=t,this.onInit()}destroy(){this.isDestroyed||(this.isDestroyed=!0,this.emit("destroy"),this.subscriptions.forEach((t=>t())),this.subscriptions=[],this.unAll(),this.scope.dispose(),this.wavesurfer=void 0)}},Pi=class{constructor(t){this.frameId=null,this.callback=null,this.isRunning=!1,t.add((()=>this.stop()))}get running(){return this.isRunning}start(t){if(this.callback=t,this.isRunning)return;this.isRunning=!0;let i=()=>{var o;this.isRunning&&(this.frameId=requestAnimationFrame(i),(o=this.callback)===null||o===void 0||o.call(this))};i()}stop(){this.isRunning=!1,this.frameId!==null&&(cancelAnimationFrame(this.frameId),this.frameId=null)}},zo=100,el=["audio/webm","audio/wav","audio/mpeg","audio/mp4","audio/mp3"],Mi=class e extends Ro{constructor(t){var i,o,r,s,n,a;super(Object.assign(Object.assign({},t),{audioBitsPerSecond:(i=t.audioBitsPerSecond)!==null&&i!==void 0?i:128e3,scrollingWaveform:(o=t.scrollingWaveform)!==null&&o!==void 0&&o,scrollingWaveformWindow:(r=t.scrollingWaveformWindow)!==null&&r!==void 0?r:5,continuousWaveform:(s=t.continuousWaveform)!==null&&s!==void 0&&s,renderRecordedAudio:(n=t.renderRecordedAudio)===null||n===void 0||n,mediaRecorderTimeslice:(a=t.mediaRecorderTimeslice)!==null&&a!==void 0?a:void 0})),this.stream=null,this.mediaRecorder=null,this.dataWindow=null,this.isWaveformPaused=!1,this.lastStartTime=0,this.lastDuration=0,this.duration=0,this.micStream=null,this.unsubscribeTrackEnded=[],this.recordedBlobUrl=null,this.pendingFinalRecordEndListeners=null,this.handleTick=()=>{let l=performance.now()-this.lastStartTime;this.duration=this.isPaused()?this.duration:this.lastDuration+l,this.emit("record-progress",this.duration)},this.frameScheduler=new Pi(this.scope)}onInit(){this.scope=new Ri,this.frameScheduler=new Pi(this.scope)}static create(t){return new e(t||{})}renderMicStream(t){var i;let o=new AudioContext,r=o.createMediaStreamSource(t),s=o.createAnalyser();r.connect(s),(this.options.continuousWaveform||this.options.scrollingWaveform)&&(s.fftSize=32);let n=s.frequencyBinCount,a=new Float32Array(n),l=0;this.wavesurfer&&((i=this.originalOptions)!==null&&i!==void 0||(this.originalOptions=Object.assign({},this.wavesurfer.options)),this.wavesurfer.options.interact=!1,this.options.scrollingWaveform&&(this.wavesurfer.options.cursorWidth=0,this.wavesurfer.options.normalize=!0,this.wavesurfer.options.maxPeak=1));let c=this.scope.child();return c.add((()=>{r?.disconnect(),o?.close()})),c.interval((()=>{var d,h,f,p;if(!this.isWaveformPaused){if(s.getFloatTimeDomainData(a),this.options.scrollingWaveform){let m=Math.floor((this.options.scrollingWaveformWindow||0)*zo),v=0;for(let w=0;w<n;w++){let L=Math.abs(a[w]);L>v&&(v=L)}this.dataWindow||(this.dataWindow=new Float32Array(m));let b=new Float32Array(m);if(this.dataWindow&&this.dataWindow.length>0){let w=m-1,L=this.dataWindow.slice(-w);b.set(L,0)}b[m-1]=v,this.dataWindow=b}else if(this.options.continuousWaveform){if(!this.dataWindow){let v=this.options.continuousWaveformDuration?Math.round(this.options.continuousWaveformDuration*zo):((h=(d=this.wavesurfer)===null||d===void 0?void 0:d.getWidth())!==null&&h!==void 0?h:0)*window.devicePixelRatio;this.dataWindow=new Float32Array(v)}let m=0;for(let v=0;v<n;v++){let b=Math.abs(a[v]);b>m&&(m=b)}if(l+1>this.dataWindow.length){let v=new Float32Array(2*this.dataWindow.length);v.set(this.dataWindow,0),this.dataWindow=v}this.dataWindow[l]=m,l++}else this.dataWindow=a;if(this.wavesurfer){let m=((p=(f=this.dataWindow)===null||f===void 0?void 0:f.length)!==null&&p!==void 0?p:0)/zo;this.wavesurfer.load("",[this.dataWindow],this.options.scrollingWaveform?this.options.scrollingWaveformWindow:m).then((()=>{this.wavesurfer&&this.options.continuousWaveform&&(this.wavesurfer.setTime(this.getDuration()/1e3),this.wavesurfer.options.minPxPerSec||this.wavesurfer.setOptions({minPxPerSec:this.wavesurfer.getWidth()/this.wavesurfer.getDuration()}))})).catch((v=>{v instanceof DOMException&&v.name==="AbortError"||console.error("Error rendering real-time recording data:",v)}))}}}),10),{onDestroy:()=>c.dispose(),onEnd:()=>{this.isWaveformPaused=!0,this.stopMic()}}}startMic(t){return $o(this,void 0,void 0,(function*(){this.micStream&&this.stopMic();let i=this.scope,o;try{o=yield navigator.mediaDevices.getUserMedia({audio:t==null||t})}catch(s){throw new Error("Error accessing the microphone: "+s.message)}if(this.destroyed||i.disposed)throw o.getTracks().forEach((s=>s.stop())),new Error("The plugin was destroyed while requesting the microphone");let r=this.renderMicStream(o);return this.micStream=r,this.unsubscribeRecordEnd=this.once("record-end",r.onEnd),this.stream=o,this.unsubscribeTrackEnded=o.getTracks().map((s=>this.scope.listen(s,"ended",(()=>this.handleTrackEnded())))),o}))}handleTrackEnded(){this.isActive()?(this.emit("record-ended-externally"),this.stopRecording()):this.stopMic()}stopMic(){var t,i;(t=this.micStream)===null||t===void 0||t.onDestroy(),(i=this.unsubscribeRecordEnd)===null||i===void 0||i.call(this),this.micStream=null,this.unsubscribeRecordEnd=void 0,this.unsubscribeTrackEnded.forEach((o=>o())),this.unsubscribeTrackEnded=[],this.applyOriginalOptionsIfNeeded(),this.stream&&(this.stream.getTracks().forEach((o=>o.stop())),this.stream=null,this.mediaRecorder=null)}startRecording(t){return $o(this,void 0,void 0,(function*(){let i=this.stream||(yield this.startMic(t));this.dataWindow=null;let o=this.mediaRecorder;o&&o.state!=="inactive"&&(o.ondataavailable=null,o.onpause=null,o.onstop=null,o.stop(),this.frameScheduler.stop());let r=new MediaRecorder(i,{mimeType:this.options.mimeType||el.find((l=>MediaRecorder.isTypeSupported(l))),audioBitsPerSecond:this.options.audioBitsPerSecond});this.mediaRecorder=r;let s=this.scope,n=[];r.ondataavailable=l=>{l.data.size>0&&n.push(l.data),this.emit("record-data-available",l.data)};let a=l=>{var c;let d=new Blob(n,{type:r.mimeType}),h=this.scope!==s;if(h||this.emit(l,d),l==="record-end"&&this.pendingFinalRecordEndListeners){let f=this.pendingFinalRecordEndListeners;this.pendingFinalRecordEndListeners=null,(this.destroyed||h)&&f.forEach((p=>{try{p(d)}catch(m){console.error("Error in record-end listener during destroy teardown:",m)}}))}!this.options.renderRecordedAudio||this.destroyed||h||(this.applyOriginalOptionsIfNeeded(),this.recordedBlobUrl&&URL.revokeObjectURL(this.recordedBlobUrl),this.recordedBlobUrl=URL.createObjectURL(d),(c=this.wavesurfer)===null||c===void 0||c.load(this.recordedBlobUrl))};r.onpause=()=>a("record-pause"),r.onstop=()=>a("record-end"),r.start(this.options.mediaRecorderTimeslice),this.lastStartTime=performance.now(),this.lastDuration=0,this.duration=0,this.isWaveformPaused=!1,this.frameScheduler.start(this.handleTick),this.emit("record-start")}))}getDuration(){return this.duration}isRecording(){var t;return((t=this.mediaRecorder)===null||t===void 0?void 0:t.state)==="recording"}isPaused(){var t;return((t=this.mediaRecorder)===null||t===void 0?void 0:t.state)==="paused"}isActive(){return!!this.mediaRecorder&&this.mediaRecorder.state!=="inactive"}stopRecording(){var t;this.isActive()&&((t=this.mediaRecorder)===null||t===void 0||t.stop(),this.frameScheduler.stop())}pauseRecording(){var t,i;this.isRecording()&&(this.isWaveformPaused=!0,(t=this.mediaRecorder)===null||t===void 0||t.requestData(),(i=this.mediaRecorder)===null||i===void 0||i.pause(),this.frameScheduler.stop(),this.lastDuration=this.duration)}resumeRecording(){var t;this.isPaused()&&(this.isWaveformPaused=!1,(t=this.mediaRecorder)===null||t===void 0||t.resume(),this.lastStartTime=performance.now(),this.frameScheduler.start(this.handleTick),this.emit("record-resume"))}static getAvailableAudioDevices(){return $o(this,void 0,void 0,(function*(){return navigator.mediaDevices.enumerateDevices().then((t=>t.filter((i=>i.kind==="audioinput"))))}))}destroy(){var t;if(this.applyOriginalOptionsIfNeeded(),this.mediaRecorder&&(this.mediaRecorder.state==="recording"||this.mediaRecorder.state==="paused")){let i=(t=this.listeners)===null||t===void 0?void 0:t["record-end"];this.pendingFinalRecordEndListeners=i?new Set(i):null}this.stopRecording(),this.stopMic(),this.frameScheduler.stop(),this.recordedBlobUrl&&(URL.revokeObjectURL(this.recordedBlobUrl),this.recordedBlobUrl=null),super.destroy()}applyOriginalOptionsIfNeeded(){this.wavesurfer&&this.originalOptions&&(this.wavesurfer.setOptions(this.originalOptions),delete this.originalOptions)}};var Po=matchMedia("(prefers-color-scheme: dark)");function Qs(){let e=()=>document.documentElement.classList.toggle("wa-dark",Po.matches);e(),Po.addEventListener("change",e)}function tn(e){Po.addEventListener("change",e)}function we(e){let t=getComputedStyle(e),i=o=>t.getPropertyValue(o).trim();return{waveColor:i("--wave"),progressColor:i("--wave-played"),cursorColor:i("--wave-cursor"),regionColor:i("--wave-word")}}var Fi=class{constructor(){this.listeners={}}on(t,i,o){if(this.listeners[t]||(this.listeners[t]=new Set),o?.once){let r=(...s)=>{this.un(t,r),i(...s)};return this.listeners[t].add(r),()=>this.un(t,r)}return this.listeners[t].add(i),()=>this.un(t,i)}un(t,i){var o;(o=this.listeners[t])===null||o===void 0||o.delete(i)}once(t,i){return this.on(t,i,{once:!0})}unAll(){this.listeners={}}emit(t,...i){this.listeners[t]&&this.listeners[t].forEach((o=>o(...i)))}},Ue=class e{constructor(){this.disposers=[],this.children=new Set,this.parent=null,this._disposed=!1,this.abortController=null}get disposed(){return this._disposed}add(t){return this._disposed?(this.safeRun(t),()=>{}):(this.disposers.push(t),()=>{let i=this.disposers.indexOf(t);i!==-1&&(this.disposers.splice(i,1),this.safeRun(t))})}child(){let t=new e;return this._disposed?(t.dispose(),t):(t.parent=this,this.children.add(t),t)}listen(t,i,o,r){return t.addEventListener(i,o,r),this.add((()=>t.removeEventListener(i,o,r)))}timeout(t,i){let o=setTimeout((()=>{r(),t()}),i),r=this.add((()=>clearTimeout(o)));return r}interval(t,i){let o=setInterval(t,i);return this.add((()=>clearInterval(o)))}raf(t){let i=requestAnimationFrame((r=>{o(),t(r)})),o=this.add((()=>cancelAnimationFrame(i)));return o}observeResize(t,i){t.observe(i),this.add((()=>t.unobserve(i)))}createResizeObserver(t,i){let o=new ResizeObserver(i);return o.observe(t),this.add((()=>o.disconnect())),o}abortSignal(){return this.abortController||(this.abortController=new AbortController,this._disposed&&this.abortController.abort()),this.abortController.signal}dispose(){var t;if(this._disposed)return;this._disposed=!0,this.parent&&(this.parent.children.delete(this),this.parent=null);for(let o of[...this.children])o.dispose();this.children.clear();let i=this.disposers;this.disposers=[];for(let o=i.length-1;o>=0;o--)this.safeRun(i[o]);(t=this.abortController)===null||t===void 0||t.abort()}safeRun(t){try{t()}catch(i){console.error("Scope disposer error:",i)}}},Mo=class extends Fi{get destroyed(){return this.isDestroyed}constructor(t){super(),this.subscriptions=[],this.scope=new Ue,this.isDestroyed=!1,this.options=t}onInit(){}_init(t){this.isDestroyed=!1,this.wavesurfer=t,this.onInit()}destroy(){this.isDestroyed||(this.isDestroyed=!0,this.emit("destroy"),this.subscriptions.forEach((t=>t())),this.subscriptions=[],this.unAll(),this.scope.dispose(),this.wavesurfer=void 0)}},il=new Set(["destroy","_init","onInit","emit","on","un","once","unAll","options","wavesurfer","subscriptions","scope","destroyed","isDestroyed","listeners"]);function on(e,t){let i=t.xmlns?document.createElementNS(t.xmlns,e):document.createElement(e);for(let[o,r]of Object.entries(t))if(o==="children"&&r)for(let[s,n]of Object.entries(r))n instanceof Node?i.appendChild(n):typeof n=="string"?i.appendChild(document.createTextNode(n)):i.appendChild(on(s,n));else o==="style"?Object.assign(i.style,r):o==="textContent"?i.textContent=r:i.setAttribute(o,r.toString());return i}function He(e,t,i){let o=on(e,t||{});return i?.appendChild(o),o}var Ve=null;function rn(e){let t=e,i=new Set,o=!1,r=!1,s={get value(){return Ve?.add(s),t},set(n){Object.is(t,n)||(t=n,(()=>{if(o)r=!0;else{o=!0;try{do{r=!1;let a=[...i],l=t;for(let c of a){try{c(l)}catch(d){console.error("Signal subscriber error:",d)}if(!Object.is(t,l)){r=!0;break}}}while(r)}finally{o=!1}}})())},update(n){this.set(n(t))},subscribe:n=>(i.add(n),()=>i.delete(n))};return s}function Oi(e,t){let i,o=[],r=!1,s=()=>{if(!r){if(i){try{i()}catch(n){console.error("Effect cleanup error:",n)}i=void 0}if(t)i=e();else{o.forEach((l=>l()));let[n,a]=(function(l){let c=Ve,d=new Set;Ve=d;try{return[l(),d]}finally{Ve=c}})(e);o=[...a].map((l=>l.subscribe(s))),i=n}}};return t&&(o=t.map((n=>n.subscribe(s)))),s(),()=>{if(r=!0,i){try{i()}catch(n){console.error("Effect cleanup error:",n)}i=void 0}o.forEach((n=>n())),o=[]}}function Ti(e,t={}){let{threshold:i=3,mouseButton:o=0,touchDelay:r=100}=t,s=rn(null),n=new Map,a=matchMedia("(pointer: coarse)").matches,l=()=>{},c=d=>{if(d.button!==o||n.has(d.pointerId)||(n.set(d.pointerId,d),n.size>1))return;let h=d.pointerId,f=d.clientX,p=d.clientY,m=!1,v=Date.now(),b=e.getBoundingClientRect(),{left:w,top:L}=b,k=y=>{if(y.pointerId!==h||y.defaultPrevented||n.size>1||a&&Date.now()-v<r)return;let _=y.clientX,A=y.clientY,x=_-f,z=A-p;(m||Math.abs(x)>i||Math.abs(z)>i)&&(y.preventDefault(),y.stopPropagation(),m||(s.set({type:"start",x:f-w,y:p-L}),m=!0),s.set({type:"move",x:_-w,y:A-L,deltaX:x,deltaY:z}),f=_,p=A)},C=y=>{if(n.delete(y.pointerId)){if(y.pointerId===h&&m){let _=y.clientX,A=y.clientY;s.set({type:"end",x:_-w,y:A-L})}n.size===0&&l()}},$=y=>{m&&(y.stopPropagation(),y.preventDefault())},E=y=>{y.defaultPrevented||n.size>1||m&&y.preventDefault()};window.addEventListener("pointermove",k),window.addEventListener("pointerup",C),window.addEventListener("pointercancel",C),document.addEventListener("touchmove",E,{passive:!1}),document.addEventListener("click",$,{capture:!0}),l=()=>{window.removeEventListener("pointermove",k),window.removeEventListener("pointerup",C),window.removeEventListener("pointercancel",C),document.removeEventListener("touchmove",E),setTimeout((()=>{document.removeEventListener("click",$,{capture:!0})}),10)}};return e.addEventListener("pointerdown",c),{signal:s,cleanup:()=>{l(),e.removeEventListener("pointerdown",c),n.clear()}}}function se(e,t){let i=rn(null),o=r=>{i.set(r)};return e.addEventListener(t,o),i._cleanup=()=>{e.removeEventListener(t,o)},i}function ne(e){let t=e._cleanup;typeof t=="function"&&t()}function sn(e,t){if(!e||!t)return;let{clientWidth:i,scrollWidth:o}=t;if(o<=i)return;let r=t.getBoundingClientRect(),s=e.getBoundingClientRect(),n=s.left-r.left,a=s.right-r.left,l=n<0,c=a>i;return l&&c?{overflowLeft:-n,overflowRight:a-i}:c?{overflowLeft:0,overflowRight:a-i}:l?{overflowLeft:-n,overflowRight:0}:{overflowLeft:0,overflowRight:0}}function Di(e,t){return(i,o,r)=>{let s=r-e.scrollLeft;e.scrollLeft=r,t(s)}}var qe=class extends Fi{constructor(t,i,o,r=0,s=null){var n,a,l,c,d,h,f,p,m,v;super(),this.totalDuration=i,this.scope=o,this.numberOfChannels=r,this.wavesurfer=s,this.element=null,this.minLength=0,this.maxLength=1/0,this.contentEditable=!1,this.updatingSide=void 0,this.isRemoved=!1,this.isDragging=!1,this.autoScrollDirection="none",this.resizeHandleCleanup=null,this.contentListenersCleanup=null,this.mouseEventsInitialized=!1,this.id=t.id||`region-${Math.random().toString(32).slice(2)}`,this.start=this.clampPosition(t.start),this.end=this.clampPosition((n=t.end)!==null&&n!==void 0?n:t.start),this.drag=(a=t.drag)===null||a===void 0||a,this.resize=(l=t.resize)===null||l===void 0||l,this.resizeStart=(c=t.resizeStart)===null||c===void 0||c,this.resizeEnd=(d=t.resizeEnd)===null||d===void 0||d,this.color=(h=t.color)!==null&&h!==void 0?h:"rgba(0, 0, 0, 0.1)",this.minLength=(f=t.minLength)!==null&&f!==void 0?f:this.minLength,this.maxLength=(p=t.maxLength)!==null&&p!==void 0?p:this.maxLength,this.channelIdx=(m=t.channelIdx)!==null&&m!==void 0?m:-1,this.contentEditable=(v=t.contentEditable)!==null&&v!==void 0?v:this.contentEditable,this.element=this.initElement(),this.setContent(t.content),this.setPart(),this.renderPosition(),this.initMouseEvents()}clampPosition(t){return Math.max(0,Math.min(this.totalDuration,t))}setPart(){var t;let i=this.start===this.end;(t=this.element)===null||t===void 0||t.setAttribute("part",`${i?"marker":"region"} ${this.id}`)}addResizeHandles(t){let i={position:"absolute",zIndex:"2",width:"6px",height:"100%",top:"0",cursor:"ew-resize",wordBreak:"keep-all"},o=He("div",{part:"region-handle region-handle-left",style:Object.assign(Object.assign({},i),{left:"0",borderLeft:"2px solid rgba(0, 0, 0, 0.5)",borderRadius:"2px 0 0 2px"})},t),r=He("div",{part:"region-handle region-handle-right",style:Object.assign(Object.assign({},i),{right:"0",borderRight:"2px solid rgba(0, 0, 0, 0.5)",borderRadius:"0 2px 2px 0"})},t),s=Ti(o,{threshold:1}),n=Ti(r,{threshold:1}),a={scrollLeft:0},l=Di(a,(v=>this.onResize(v,"start"))),c=Di(a,(v=>this.onResize(v,"end"))),d=null,h=null,f=this.scope.add(Oi((()=>{var v,b;let w=s.signal.value;w&&(w.type==="start"?(a.scrollLeft=(b=(v=this.wavesurfer)===null||v===void 0?void 0:v.getScroll())!==null&&b!==void 0?b:0,this.wavesurfer&&(d=this.scope.add(this.wavesurfer.on("scroll",l)))):w.type==="move"&&w.deltaX!==void 0?this.onResize(w.deltaX,"start"):w.type==="end"&&(d?.(),d=null,this.onEndResizing("start")))}),[s.signal])),p=this.scope.add(Oi((()=>{var v,b;let w=n.signal.value;w&&(w.type==="start"?(a.scrollLeft=(b=(v=this.wavesurfer)===null||v===void 0?void 0:v.getScroll())!==null&&b!==void 0?b:0,this.wavesurfer&&(h=this.scope.add(this.wavesurfer.on("scroll",c)))):w.type==="move"&&w.deltaX!==void 0?this.onResize(w.deltaX,"end"):w.type==="end"&&(h?.(),h=null,this.onEndResizing("end")))}),[n.signal])),m=this.scope.add((()=>{s.cleanup(),n.cleanup()}));this.resizeHandleCleanup=()=>{f(),p(),m(),d?.(),d=null,h?.(),h=null}}removeResizeHandles(t){this.resizeHandleCleanup&&(this.resizeHandleCleanup(),this.resizeHandleCleanup=null);let i=t.querySelector('[part*="region-handle-left"]'),o=t.querySelector('[part*="region-handle-right"]');i&&t.removeChild(i),o&&t.removeChild(o)}initElement(){if(this.isRemoved)return null;let t=this.start===this.end,i=0,o=100;this.channelIdx>=0&&this.numberOfChannels>0&&this.channelIdx<this.numberOfChannels&&(o=100/this.numberOfChannels,i=o*this.channelIdx);let r=He("div",{style:{position:"absolute",top:`${i}%`,height:`${o}%`,backgroundColor:t?"none":this.color,borderLeft:t?"2px solid "+this.color:"none",borderRadius:"2px",boxSizing:"border-box",transition:"background-color 0.2s ease",cursor:this.drag?"grab":"default",pointerEvents:"all"}});return!t&&this.resize&&this.addResizeHandles(r),r}renderPosition(){if(!this.element)return;let t=this.start/this.totalDuration,i=(this.totalDuration-this.end)/this.totalDuration;this.element.style.left=100*t+"%",this.element.style.right=100*i+"%"}toggleCursor(t){var i;this.drag&&(!((i=this.element)===null||i===void 0)&&i.style)&&(this.element.style.cursor=t?"grabbing":"grab")}attachContentListeners(){if(this.detachContentListeners(),!this.contentEditable||!this.content)return;let t=this.content,i=this.scope.listen(t,"click",(r=>this.onContentClick(r))),o=this.scope.listen(t,"blur",(()=>this.onContentBlur()));this.contentListenersCleanup=()=>{i(),o()}}detachContentListeners(){this.contentListenersCleanup&&(this.contentListenersCleanup(),this.contentListenersCleanup=null)}initMouseEvents(){let{element:t}=this;if(!t)return;let i=se(t,"click"),o=se(t,"mouseenter"),r=se(t,"mouseleave"),s=se(t,"dblclick"),n=se(t,"pointerdown"),a=se(t,"pointerup"),l=se(t,"touchend"),c=0,d=0,h=y=>this.emit("dblclick",y),f=i.subscribe((y=>y&&this.emit("click",y))),p=o.subscribe((y=>y&&this.emit("over",y))),m=r.subscribe((y=>y&&this.emit("leave",y))),v=s.subscribe((y=>{y&&(Date.now()-d<=2*en||h(y))})),b=l.subscribe((y=>{var _,A,x;if(!y)return;let z=Date.now();if(c&&z-c<=en){c=0,d=z;let M=(_=y.changedTouches)===null||_===void 0?void 0:_[0];h(new MouseEvent("dblclick",{bubbles:!0,cancelable:!0,clientX:(A=M?.clientX)!==null&&A!==void 0?A:0,clientY:(x=M?.clientY)!==null&&x!==void 0?x:0}))}else c=z})),w=n.subscribe((y=>y&&this.toggleCursor(!0))),L=a.subscribe((y=>y&&this.toggleCursor(!1)));this.scope.add((()=>{f(),p(),m(),v(),b(),w(),L(),ne(i),ne(o),ne(r),ne(s),ne(l),ne(n),ne(a)}));let k=Ti(t),C={scrollLeft:0},$=Di(C,(y=>this.onMove(y))),E=null;this.scope.add(Oi((()=>{var y,_,A,x;let z=k.signal.value;if(z)if(z.type==="start")this.toggleCursor(!0),this.isDragging=!0,this.autoScrollDirection=this.getAutoScrollDirection(),C.scrollLeft=(_=(y=this.wavesurfer)===null||y===void 0?void 0:y.getScroll())!==null&&_!==void 0?_:0,this.wavesurfer&&(E=this.scope.add(this.wavesurfer.on("scroll",$)));else if(z.type==="move"&&z.deltaX!==void 0){let M=(x=(A=this.wavesurfer)===null||A===void 0?void 0:A.getScroll())!==null&&x!==void 0?x:C.scrollLeft,W=M-C.scrollLeft;C.scrollLeft=M,this.onMove(z.deltaX+W)}else z.type==="end"&&(this.toggleCursor(!1),this.isDragging=!1,this.autoScrollDirection="none",E?.(),E=null,this.drag&&this.emit("update-end"))}),[k.signal])),this.scope.add((()=>k.cleanup())),this.attachContentListeners(),this.mouseEventsInitialized=!0}getAutoScrollDirection(){var t,i;let o=(i=(t=this.wavesurfer)===null||t===void 0?void 0:t.getWrapper())===null||i===void 0?void 0:i.parentElement,r=sn(this.element,o);if(!r)return"none";let{overflowLeft:s,overflowRight:n}=r;return s>0&&n>0?"none":s>0?"right":n>0?"left":"both"}_onUpdate(t,i,o,r){var s;if(!(!((s=this.element)===null||s===void 0)&&s.parentElement))return;let{width:n}=this.element.parentElement.getBoundingClientRect(),a=t/n*this.totalDuration,l=i&&i!=="start"?this.start:this.start+a,c=i&&i!=="end"?this.end:this.end+a,d=o!==void 0;if(d&&this.updatingSide&&this.updatingSide!==i&&(this.updatingSide==="start"?l=o:c=o),!i){let m=Math.max(-this.start,Math.min(this.totalDuration-this.end,a));l=this.start+m,c=this.end+m}l=Math.max(0,l),c=Math.min(this.totalDuration,c);let h=c-l;this.updatingSide=i;let f=h>=this.minLength&&h<=this.maxLength,p=d&&h<=this.maxLength;l<=c&&(f||p)&&(this.start=l,this.end=c,this.renderPosition(),this.emit("update",i,r))}onMove(t){this.drag&&this._onUpdate(t,void 0,void 0,this.autoScrollDirection)}onResize(t,i){this.resize&&(this.resizeStart||i!=="start")&&(this.resizeEnd||i!=="end")&&this._onUpdate(t,i,void 0,i==="start"?"left":"right")}onEndResizing(t){this.resize&&(this.emit("update-end",t),this.updatingSide=void 0)}onContentClick(t){t.stopPropagation(),t.target.focus(),this.emit("click",t)}onContentBlur(){this.emit("update-end")}_setTotalDuration(t){this.totalDuration=t,this.renderPosition()}play(t){this.emit("play",t&&this.end!==this.start?this.end:void 0)}getContent(t=!1){var i;return t?this.content||void 0:this.element instanceof HTMLElement?((i=this.content)===null||i===void 0?void 0:i.innerHTML)||void 0:""}setContent(t){var i;if(this.element)if(this.detachContentListeners(),(i=this.content)===null||i===void 0||i.remove(),t){if(typeof t=="string"){let o=this.start===this.end;this.content=He("div",{style:{padding:`0.2em ${o?.2:.4}em`,display:"inline-block"},textContent:t})}else this.content=t;this.contentEditable&&(this.content.contentEditable="true",this.mouseEventsInitialized&&this.attachContentListeners()),this.content.setAttribute("part","region-content"),this.element.appendChild(this.content),this.emit("content-changed")}else this.content=void 0}setOptions(t){var i,o;if(this.element){if(t.color&&(this.color=t.color,this.element.style.backgroundColor=this.color),t.drag!==void 0&&(this.drag=t.drag,this.element.style.cursor=this.drag?"grab":"default"),t.start!==void 0||t.end!==void 0){let r=this.start===this.end;this.start=this.clampPosition((i=t.start)!==null&&i!==void 0?i:this.start),this.end=this.clampPosition((o=t.end)!==null&&o!==void 0?o:r?this.start:this.end),this.renderPosition(),this.setPart();let s=this.start===this.end;s!==r&&(this.element.style.backgroundColor=s?"":this.color,this.element.style.borderLeft=s?"2px solid "+this.color:"none",this.resize&&(s?this.removeResizeHandles(this.element):this.addResizeHandles(this.element))),this.emit("render")}if(t.content&&this.setContent(t.content),t.id&&(this.id=t.id,this.setPart()),t.resize!==void 0&&t.resize!==this.resize){let r=this.start===this.end;this.resize=t.resize,this.resize&&!r?this.addResizeHandles(this.element):this.removeResizeHandles(this.element)}t.resizeStart!==void 0&&(this.resizeStart=t.resizeStart),t.resizeEnd!==void 0&&(this.resizeEnd=t.resizeEnd)}}remove(){this.isRemoved=!0,this.emit("remove"),this.scope.dispose(),this.detachContentListeners(),this.element&&(this.element.remove(),this.element=null),this.unAll()}},en=300,nn=(function(e,t){class i extends Mo{static create(...r){return new i(r[0])}onInit(){this.scope.dispose(),this.scope=new Ue;let r=this,s={get wavesurfer(){return r.wavesurfer},get state(){return r.wavesurfer.getState()},scope:this.scope,emit:(a,...l)=>this.emit(a,...l)},n=t(s,this.options);for(let a of Object.keys(n))if(il.has(a))throw new Error(`definePlugin('${e}'): api key "${a}" collides with the plugin chassis`);Object.assign(this,n)}destroy(){this.scope.dispose(),super.destroy()}}return Object.defineProperty(i,"name",{value:e}),i})("RegionsPlugin",(e=>{let t=[],i=[],o=new WeakMap,r=He("div",{part:"regions-container",style:{position:"absolute",top:"0",left:"0",width:"100%",height:"100%",zIndex:"5",pointerEvents:"none"}});function s(c){!c.content||c.isRemoved||o.get(c).timeout((()=>{if(!c.content)return;let d=c.content;d.style.marginTop="0";let h=d.getBoundingClientRect(),f=t.indexOf(c);if(f<0)return;let p=t.slice(0,f).filter((m=>!m.isRemoved)).reduce(((m,v)=>{if(v===c||!v.content)return m;let b=v.content.getBoundingClientRect();return h.left<b.right&&b.left<h.right&&m.push(b),m}),[]).sort(((m,v)=>m.top-v.top)).reduce(((m,v)=>{let b=h.top+m,w=b+h.height;return b<v.bottom&&v.top<w?v.bottom-h.top+2:m}),0);d.style.marginTop=`${p}px`}),10)}function n(c,d){var h,f;if(!d||d==="none")return;let p=(f=(h=e.wavesurfer)===null||h===void 0?void 0:h.getWrapper())===null||f===void 0?void 0:f.parentElement,m=sn(c.element,p);if(!p||!m)return;let{overflowLeft:v,overflowRight:b}=m;v>0&&b>0?d==="left"?p.scrollLeft-=v:d==="right"&&(p.scrollLeft+=b):(d!=="left"&&d!=="both"||(p.scrollLeft-=v),d!=="right"&&d!=="both"||(p.scrollLeft+=b))}function a(c,d){c.element&&(o.set(c,d),(function(h,f,p,m){let v=()=>{if(!e.wavesurfer)return;let b=e.wavesurfer.getWidth(),w=e.wavesurfer.getScroll(),L=p.clientWidth,k=e.wavesurfer.getDuration(),C=Math.round(h.start/k*L),$=C+(Math.round((h.end-h.start)/k*L)||1)>w&&C<w+b;$&&!m.parentElement?p.appendChild(m):$||!m.parentElement||h.isDragging||m.remove()};f.timeout((()=>{e.wavesurfer&&h.element&&(v(),f.add(e.wavesurfer.on("scroll",v)),f.add(e.wavesurfer.on("zoom",v)),f.add(e.wavesurfer.on("resize",v)),f.add(h.on("render",v)))}),0)})(c,d,r,c.element),s(c),t.push(c),d.add(c.on("update",((h,f)=>{n(c,f),e.emit("region-update",c,h)}))),d.add(c.on("update-end",(h=>{t.forEach((f=>s(f))),e.emit("region-updated",c,h)}))),d.add(c.on("play",(h=>{var f;(f=e.wavesurfer)===null||f===void 0||f.play(c.start,h)}))),d.add(c.on("click",(h=>{e.emit("region-clicked",c,h)}))),d.add(c.on("dblclick",(h=>{e.emit("region-double-clicked",c,h)}))),d.add(c.on("content-changed",(()=>{e.emit("region-content-changed",c)}))),c.once("remove",(()=>{t=t.filter((h=>h!==c)),e.emit("region-removed",c)})),e.emit("region-created",c))}function l(){t.slice().forEach((c=>c.remove())),t=[]}return e.wavesurfer.getWrapper().appendChild(r),e.scope.add((()=>r.remove())),e.scope.add(e.wavesurfer.on("ready",(c=>{t.forEach((d=>d._setTotalDuration(c)))}))),e.scope.add(e.wavesurfer.on("timeupdate",(c=>{let d=t.filter((h=>h.start-.05<=c&&(h.end===h.start?h.start+.05:h.end)>=c));d.forEach((h=>{i.includes(h)||e.emit("region-in",h)})),i.forEach((h=>{d.includes(h)||e.emit("region-out",h)})),i=d}))),e.scope.add((()=>l())),{getRegions:function(){return t},addRegion:function(c){var d;if(!e.wavesurfer){let v=new qe(c,0,new Ue);return v.remove(),v}let h=e.wavesurfer.getDuration(),f=(d=e.wavesurfer.getDecodedData())===null||d===void 0?void 0:d.numberOfChannels,p=e.scope.child(),m=new qe(c,h,p,f,e.wavesurfer);return e.emit("region-initialized",m),h?a(m,p):p.add(e.wavesurfer.once("ready",(v=>{m._setTotalDuration(v),a(m,p)}))),m},enableDragSelection:function(c,d=3){var h;let f=(h=e.wavesurfer)===null||h===void 0?void 0:h.getWrapper();if(!(f&&f instanceof HTMLElement))return()=>{};let p=null,m=null,v=0,b=0,w=Ti(f,{threshold:d}),L={scrollLeft:0},k=Di(L,(E=>{p&&E!==0&&(p._onUpdate(E,E>0?"end":"start",b),n(p,E>0?"right":"left"))})),C=null,$=Oi((()=>{var E,y,_,A;let x=w.signal.value;if(x){if(x.type==="start"){if(m?.dispose(),C?.(),C=null,v=x.x,!e.wavesurfer)return;L.scrollLeft=e.wavesurfer.getScroll(),C=e.scope.add(e.wavesurfer.on("scroll",k));let z=e.wavesurfer.getDuration(),M=(y=(E=e.wavesurfer)===null||E===void 0?void 0:E.getDecodedData())===null||y===void 0?void 0:y.numberOfChannels,{width:W}=e.wavesurfer.getWrapper().getBoundingClientRect();b=v/W*z;let U=x.x/W*z,Q=(x.x+5)/W*z;m=e.scope.child(),p=new qe(Object.assign(Object.assign({},c),{start:U,end:Q}),z,m,M,e.wavesurfer),e.emit("region-initialized",p),p.element&&r.appendChild(p.element)}else if(x.type==="move"&&x.deltaX!==void 0)p&&(p._onUpdate(x.deltaX,x.x>v?"end":"start",b),n(p,x.x>v?"right":"left"));else if(x.type==="end"&&(C?.(),C=null,p&&m)){if(p.end-p.start<p.minLength){let z=(A=(_=e.wavesurfer)===null||_===void 0?void 0:_.getDuration())!==null&&A!==void 0?A:0,M=Math.min(z,p.start+p.minLength),W=Math.max(0,M-p.minLength);p.setOptions({start:W,end:M})}a(p,m),p.updatingSide=void 0,p=null,m=null}}}),[w.signal]);return e.scope.add((()=>{$(),w.cleanup(),C?.(),C=null}))},clearRegions:l}}));var To=class{constructor(){this.listeners={}}on(t,i,o){if(this.listeners[t]||(this.listeners[t]=new Set),o?.once){let r=(...s)=>{this.un(t,r),i(...s)};return this.listeners[t].add(r),()=>this.un(t,r)}return this.listeners[t].add(i),()=>this.un(t,i)}un(t,i){var o;(o=this.listeners[t])===null||o===void 0||o.delete(i)}once(t,i){return this.on(t,i,{once:!0})}unAll(){this.listeners={}}emit(t,...i){this.listeners[t]&&this.listeners[t].forEach((o=>o(...i)))}},Ii=class e{constructor(){this.disposers=[],this.children=new Set,this.parent=null,this._disposed=!1,this.abortController=null}get disposed(){return this._disposed}add(t){return this._disposed?(this.safeRun(t),()=>{}):(this.disposers.push(t),()=>{let i=this.disposers.indexOf(t);i!==-1&&(this.disposers.splice(i,1),this.safeRun(t))})}child(){let t=new e;return this._disposed?(t.dispose(),t):(t.parent=this,this.children.add(t),t)}listen(t,i,o,r){return t.addEventListener(i,o,r),this.add((()=>t.removeEventListener(i,o,r)))}timeout(t,i){let o=setTimeout((()=>{r(),t()}),i),r=this.add((()=>clearTimeout(o)));return r}interval(t,i){let o=setInterval(t,i);return this.add((()=>clearInterval(o)))}raf(t){let i=requestAnimationFrame((r=>{o(),t(r)})),o=this.add((()=>cancelAnimationFrame(i)));return o}observeResize(t,i){t.observe(i),this.add((()=>t.unobserve(i)))}createResizeObserver(t,i){let o=new ResizeObserver(i);return o.observe(t),this.add((()=>o.disconnect())),o}abortSignal(){return this.abortController||(this.abortController=new AbortController,this._disposed&&this.abortController.abort()),this.abortController.signal}dispose(){var t;if(this._disposed)return;this._disposed=!0,this.parent&&(this.parent.children.delete(this),this.parent=null);for(let o of[...this.children])o.dispose();this.children.clear();let i=this.disposers;this.disposers=[];for(let o=i.length-1;o>=0;o--)this.safeRun(i[o]);(t=this.abortController)===null||t===void 0||t.abort()}safeRun(t){try{t()}catch(i){console.error("Scope disposer error:",i)}}},Do=class extends To{get destroyed(){return this.isDestroyed}constructor(t){super(),this.subscriptions=[],this.scope=new Ii,this.isDestroyed=!1,this.options=t}onInit(){}_init(t){this.isDestroyed=!1,this.wavesurfer=t,this.onInit()}destroy(){this.isDestroyed||(this.isDestroyed=!0,this.emit("destroy"),this.subscriptions.forEach((t=>t())),this.subscriptions=[],this.unAll(),this.scope.dispose(),this.wavesurfer=void 0)}},ol=new Set(["destroy","_init","onInit","emit","on","un","once","unAll","options","wavesurfer","subscriptions","scope","destroyed","isDestroyed","listeners"]);function cn(e,t){let i=t.xmlns?document.createElementNS(t.xmlns,e):document.createElement(e);for(let[o,r]of Object.entries(t))if(o==="children"&&r)for(let[s,n]of Object.entries(r))n instanceof Node?i.appendChild(n):typeof n=="string"?i.appendChild(document.createTextNode(n)):i.appendChild(cn(s,n));else o==="style"?Object.assign(i.style,r):o==="textContent"?i.textContent=r:i.setAttribute(o,r.toString());return i}function Oo(e,t,i){return cn(e,t||{})}function an(e){if(e instanceof HTMLElement)return!0;if(typeof e!="object"||e===null)return!1;let t=e;return t.nodeType===Node.ELEMENT_NODE&&typeof t.nodeName=="string"&&t.namespaceURI==="http://www.w3.org/1999/xhtml"&&typeof t.style=="object"&&t.style!==null&&typeof t.appendChild=="function"}function ln(e,t){let i,o=[],r=!1,s=()=>{if(!r){if(i){try{i()}catch(n){console.error("Effect cleanup error:",n)}i=void 0}if(t)i=e();else{o.forEach((l=>l()));let[n,a]=(function(l){let c=new Set;return[l(),c]})(e);o=[...a].map((l=>l.subscribe(s))),i=n}}};return t&&(o=t.map((n=>n.subscribe(s)))),s(),()=>{if(r=!0,i){try{i()}catch(n){console.error("Effect cleanup error:",n)}i=void 0}o.forEach((n=>n())),o=[]}}var rl={height:20,timeOffset:0,formatTimeCallback:e=>e/60>1?`${Math.floor(e/60)}:${`${(e=Math.round(e%60))<10?"0":""}${e}`}`:`${Math.round(1e3*e)/1e3}`},dn=(function(e,t){class i extends Do{static create(...r){return new i(r[0])}onInit(){this.scope.dispose(),this.scope=new Ii;let r=this,s={get wavesurfer(){return r.wavesurfer},get state(){return r.wavesurfer.getState()},scope:this.scope,emit:(a,...l)=>this.emit(a,...l)},n=t(s,this.options);for(let a of Object.keys(n))if(ol.has(a))throw new Error(`definePlugin('${e}'): api key "${a}" collides with the plugin chassis`);Object.assign(this,n)}destroy(){this.scope.dispose(),super.destroy()}}return Object.defineProperty(i,"name",{value:e}),i})("TimelinePlugin",((e,t)=>{let i=Object.assign({},rl,t),o=Oo("div",{part:"timeline-wrapper",style:{pointerEvents:"none"}}),r=new Map,s;function n(h,f,p){f.appendChild(p);let m=p.clientWidth,v=e.wavesurfer.getScroll(),b=v+e.wavesurfer.getWidth(),w=h>=v&&h+m<b;r.set(p,{start:h,width:m,wasVisible:w}),w||p.remove()}function a(){var h,f,p,m;r.clear();let v=e.wavesurfer.getDuration()||i.duration||0,b=(e.wavesurfer.getWrapper().scrollWidth||o.scrollWidth)/v,w=(h=i.timeInterval)!==null&&h!==void 0?h:(function(A){return A>=25?1:5*A>=25?5:15*A>=25?15:60*Math.ceil(.5/A)})(b),L=(f=i.primaryLabelInterval)!==null&&f!==void 0?f:(function(A){return A>=25?10:5*A>=25?6:4})(b),k=i.primaryLabelSpacing,C=(p=i.secondaryLabelInterval)!==null&&p!==void 0?p:(function(A){return A>=25?5:2})(b),$=i.secondaryLabelSpacing,E=i.insertPosition==="beforebegin",y=Oo("div",{style:Object.assign({height:`${i.height}px`,overflow:"hidden",fontSize:i.height/2+"px",whiteSpace:"nowrap"},E?{position:"absolute",top:"0",left:"0",right:"0",zIndex:"2"}:{position:"relative"})});y.setAttribute("part","timeline"),typeof i.style=="string"?y.setAttribute("style",y.getAttribute("style")+i.style):typeof i.style=="object"&&Object.assign(y.style,i.style),o.innerHTML="",o.appendChild(y),s=y;let _=Oo("div",{style:{width:"0",height:"50%",display:"flex",flexDirection:"column",justifyContent:E?"flex-start":"flex-end",top:E?"0":"auto",bottom:E?"auto":"0",overflow:"visible",borderLeft:"1px solid currentColor",opacity:`${(m=i.secondaryLabelOpacity)!==null&&m!==void 0?m:.25}`,position:"absolute",zIndex:"1"}});for(let A=0,x=0;A<v;A+=w,x++){let z=_.cloneNode(),M=Math.round(100*A)%Math.round(100*L)==0||k&&x%k==0,W=Math.round(100*A)%Math.round(100*C)==0||$&&x%$==0;(M||W)&&(z.style.height="100%",z.style.textIndent="3px",z.textContent=i.formatTimeCallback(A),M&&(z.style.opacity="1"));let U=M?"primary":W?"secondary":"tick";z.setAttribute("part",`timeline-notch timeline-notch-${U}`);let Q=(A+i.timeOffset)*b;z.style.left=`${Q}px`,n(Q,y,z)}e.emit("ready")}let l=(function(h,f,p){if(!h)return f;if(an(h))return h;let m=document.querySelector(h);if(!an(m))throw new Error(`${p}: container not found: ${h}`);return m})(i.container,e.wavesurfer.getWrapper(),"timeline");i.insertPosition?(l.firstElementChild||l).insertAdjacentElement(i.insertPosition,o):l.appendChild(o),e.scope.add((()=>o.remove()));let{duration:c}=e.state;e.scope.add(ln((()=>{(c.value>0||i.duration)&&a()}),[c])),e.scope.add(e.wavesurfer.on("redraw",(()=>a())));let d=e.wavesurfer.getRenderer();return e.scope.add(ln((()=>{if(s){let h=e.wavesurfer.getScroll();(function(f,p,m){r.forEach(((v,b)=>{let w=v.start>=f&&v.start+v.width<p;w!==v.wasVisible&&(v.wasVisible=w,w?m.appendChild(b):b.remove())}))})(h,h+e.wavesurfer.getWidth(),s)}}),[d.getVisibleRange()])),(e.wavesurfer.getDuration()||i.duration)&&a(),{}}));function hn(e){return e>=.9?"sure":e>=.6?"fair":"unsure"}var un=e=>`${Math.round(100*e)} %`;function yt(e){let t=Math.floor(e),[i,o]=[Math.floor(t/3600),Math.floor(t/60)%60],r=String(t%60).padStart(2,"0");return i?`${i}:${String(o).padStart(2,"0")}:${r}`:`${o}:${r}`}function pn(e,t){let[i,o]=[0,e.length];for(;i<o;){let s=i+o>>1;e[s].start<=t?i=s+1:o=s}let r=e[i-1];return r&&t<r.end?i-1:-1}var sl=3e8,nl=20,al=1e5;function Fo(){let e=document.querySelector("meta[name=csp-nonce]")?.nonce;return e?{cspNonce:e}:{}}var Ct=class extends tt{constructor(){super(...arguments);this.recording=null;this.words=[];this.playing=!1;this.seconds=0;this.duration=0;this.note="";this.regions=nn.create();this.region=null;this.lit=-1}createRenderRoot(){return this}firstUpdated(){this.surfer=Ot.create({container:this.picture,height:96,barWidth:2,barGap:1,barRadius:2,cursorWidth:2,normalize:!0,plugins:[this.regions,dn.create({height:16,formatTimeCallback:yt})],...Fo(),...we(this)}),tn(()=>this.surfer.setOptions(we(this))),this.surfer.on("play",()=>this.playing=!0),this.surfer.on("pause",()=>this.playing=!1),this.surfer.on("timeupdate",i=>this.at(i)),this.surfer.on("ready",i=>this.ready(i)),this.surfer.on("error",()=>this.unplayable())}updated(i){i.has("recording")&&this.recording&&this.load(this.recording),i.has("words")&&this.at(this.seconds)}load(i){this.note="",this.duration=this.seconds=0,this.light(-1),i.size>sl?this.unplayable():this.surfer.loadBlob(i).catch(()=>{})}unplayable(){this.surfer.pause(),this.duration=0,this.note="This browser cannot draw or play the recording; the server reads more formats."}ready(i){this.duration=i,this.surfer.setTime(0),this.surfer.zoom(Math.min(nl,al/i));let o=this.surfer.getWrapper().parentElement;o.tabIndex=o.scrollWidth>o.clientWidth?0:-1}async playFrom(i){this.duration&&(this.surfer.setTime(i),await this.surfer.play())}at(i){this.seconds=i,this.light(pn(this.words,i))}light(i){if(i===this.lit)return;this.lit=i,this.region?.remove();let o=this.words[i];this.region=o?this.regions.addRegion({start:o.start,end:o.end,content:o.word,color:we(this).regionColor,drag:!1,resize:!1}):null,this.dispatchEvent(new CustomEvent("word",{detail:i}))}render(){let{playing:i,seconds:o,duration:r}=this;return S`
      <div class="picture" ?hidden=${!!this.note}></div>
      ${this.note&&S`<p class="note">${this.note}</p>`}
      <div class="player" ?hidden=${!!this.note}>
        <wa-button
          class="play"
          appearance="accent"
          variant="brand"
          pill
          ?disabled=${!r}
          @click=${()=>this.surfer.playPause()}
        >
          <wa-icon name=${i?"pause":"play"} label=${i?"Pause":"Play"}></wa-icon>
        </wa-button>
        <input
          type="range"
          aria-label="Position"
          aria-valuetext="${yt(o)} of ${yt(r)}"
          min="0"
          max=${r}
          step="0.1"
          .value=${String(o)}
          ?disabled=${!r}
          @input=${s=>this.surfer.setTime(Number(s.target.value))}
        />
        <span class="time" aria-hidden="true">${yt(o)} / ${yt(r)}</span>
      </div>
    `}};R([g({attribute:!1})],Ct.prototype,"recording",2),R([g({attribute:!1})],Ct.prototype,"words",2),R([O()],Ct.prototype,"playing",2),R([O()],Ct.prototype,"seconds",2),R([O()],Ct.prototype,"duration",2),R([O()],Ct.prototype,"note",2),R([V(".picture")],Ct.prototype,"picture",2),Ct=R([F("speech-waveform")],Ct);var je=class extends tt{constructor(){super(...arguments);this.stream=null;this.surfer=null}createRenderRoot(){return this}updated(i){if(!i.has("stream")||!this.stream)return;let o=Mi.create({scrollingWaveform:!0});this.surfer=Ot.create({container:this,height:64,barWidth:2,barGap:1,interact:!1,plugins:[o],...Fo(),...we(this)}),o.renderMicStream(this.stream)}disconnectedCallback(){super.disconnectedCallback(),this.surfer?.destroy()}};R([g({attribute:!1})],je.prototype,"stream",2),je=R([F("speech-live-waveform")],je);function mn(e){return Int16Array.from(e,t=>Math.max(-1,Math.min(1,t))*32767)}var Io=44;function fn(e,t){return(e-Io)/2/t}function gn(e,t,i){let o=e.reduce((n,a)=>n+a.byteLength,0),r=new DataView(new ArrayBuffer(Io)),s=(n,a)=>[...a].forEach((l,c)=>r.setUint8(n+c,l.charCodeAt(0)));return s(0,"RIFF"),r.setUint32(4,Io-8+o,!0),s(8,"WAVEfmt "),r.setUint32(16,16,!0),r.setUint16(20,1,!0),r.setUint16(22,1,!0),r.setUint32(24,t,!0),r.setUint32(28,2*t,!0),r.setUint16(32,2,!0),r.setUint16(34,16,!0),s(36,"data"),r.setUint32(40,o,!0),new File([r,...e],i,{type:"audio/wav"})}var ll=16e3,cl=1e3,dl=.2;function hl(e){let t=new AudioContext({sampleRate:ll});try{return new MediaStreamAudioSourceNode(t,{mediaStream:e})}catch{return t.close(),new MediaStreamAudioSourceNode(new AudioContext,{mediaStream:e})}}var Bi=class e{constructor(t,i,o){this.stream=t;this.context=i;this.worklet=o;this.chunks=[];this.samples=0;this.onSamples=()=>{};o.port.onmessage=({data:r})=>{let s=mn(r);this.chunks.push(s),this.samples+=s.length,this.onSamples(s)}}static async open(){if(!navigator.mediaDevices)throw new nt("insecure");let t;try{t=await navigator.mediaDevices.getUserMedia({audio:{channelCount:1}})}catch(r){let s=r instanceof DOMException?r.name:"";throw new nt(s==="NotAllowedError"?"refused-microphone":"no-microphone")}let i=hl(t);await i.context.audioWorklet.addModule("page/pcm-worklet.js");let o=new AudioWorkletNode(i.context,"pcm",{numberOfOutputs:0,channelCount:1});return i.connect(o),new e(t,i.context,o)}get sampleRate(){return this.context.sampleRate}get seconds(){return this.samples/this.sampleRate}async close(){let t=new Promise(i=>{setTimeout(i,cl);let o=this.worklet.port.onmessage;this.worklet.port.onmessage=r=>{o.call(this.worklet.port,r),i()}});if(this.worklet.port.postMessage("flush"),await t,this.release(),this.seconds<dl)throw new nt("empty-recording");if(this.chunks.every(i=>i.every(o=>o===0)))throw new nt("silent-recording");return gn(this.chunks,this.sampleRate,"recording.wav")}release(){this.worklet.port.onmessage=null,this.stream.getTracks().forEach(t=>t.stop()),this.context.close()}};function Wi(e,t){let i=Math.round(1e3*e),o=n=>String(Math.floor(n)%60).padStart(2,"0"),r=String(Math.floor(i/36e5)).padStart(2,"0"),s=String(i%1e3).padStart(3,"0");return`${r}:${o(i/6e4)}:${o(i/1e3)}${t}${s}`}var vn=e=>e.map(t=>`${t}
`).join(""),ul=e=>e.replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;"),wn={srt:({subtitles:e})=>e.map(({start:t,end:i,lines:o},r)=>`${r+1}
${Wi(t,",")} --> ${Wi(i,",")}
${vn(o)}`).join(`
`),vtt:({subtitles:e})=>`WEBVTT
`+e.map(({start:t,end:i,lines:o})=>`
${Wi(t,".")} --> ${Wi(i,".")}
${vn(o.map(ul))}`).join(""),txt:({text:e})=>`${e}
`,json:e=>`${JSON.stringify(e,null,2)}
`};function bn(e,t){let i=document.createElement("a");i.href=URL.createObjectURL(new Blob([t],{type:"application/octet-stream"})),i.download=e,i.click(),URL.revokeObjectURL(i.href)}function pl({words:e,subtitles:t}){let i=t.map(({start:r})=>({start:r,words:[]})),o=0;for(let r of e){for(;o+1<i.length&&i[o+1].start<=r.start;)o++;i[o].words.push(r)}return i}var ae=class extends tt{constructor(){super(...arguments);this.transcript=null;this.current=-1}createRenderRoot(){return this}shouldUpdate(i){return i.has("current")&&this.light(i.get("current")??-1),i.has("transcript")}light(i){this.buttons[i]?.removeAttribute("aria-current");let o=this.buttons[this.current];if(o?.setAttribute("aria-current","true"),!o)return;let[r,s]=[this.getBoundingClientRect(),o.getBoundingClientRect()];s.bottom>r.bottom?this.scrollTop+=s.bottom-r.bottom:s.top<r.top&&(this.scrollTop-=r.top-s.top)}move(i){let o=[...this.buttons],r=o.indexOf(i.target),s={ArrowRight:r+1,ArrowLeft:r-1,Home:0,End:o.length-1}[i.key],n=s===void 0?void 0:o[s];r<0||!n||(i.preventDefault(),n.focus())}reach(i){let o=i.target.closest(".word");o&&(this.querySelector('.word[tabindex="0"]').tabIndex=-1,o.tabIndex=0)}play(i){this.dispatchEvent(new CustomEvent("play-from",{detail:i.start}))}render(){if(!this.transcript)return null;let i=0,o=r=>S`
      <button
        type="button"
        class="word ${hn(r.confidence)}"
        tabindex=${i++?-1:0}
        @click=${()=>this.play(r)}
      >
        <span class="text">${r.word}</span>
        <span class="confidence">${un(r.confidence)}</span>
      </button>
    `;return S`
      <div
        role="group"
        aria-labelledby="words-heading"
        aria-describedby="words-hint"
        @keydown=${this.move}
        @focusin=${this.reach}
      >
        ${pl(this.transcript).map(({start:r,words:s})=>S`
            <p class="line"><span class="time">${yt(r)}</span> <span>${s.map(o)}</span></p>
          `)}
      </div>
    `}};R([g({attribute:!1})],ae.prototype,"transcript",2),R([g({attribute:!1})],ae.prototype,"current",2),R([dr(".word")],ae.prototype,"buttons",2),ae=R([F("speech-words")],ae);var yn="wav2vec2-tf choice";Qs();var J=class extends tt{constructor(){super(...arguments);this.doing="nothing";this.problem=null;this.status="";this.offer=null;this.choice={model:"",decoding:""};this.file=null;this.transcript=null;this.sent=0;this.microphone=null;this.recorded=0;this.partial="";this.current=-1;this.dropping=!1;this.confidences=!0;this.stream=null;this.abort=new AbortController}createRenderRoot(){return this}firstUpdated(){this.start()}async updated(i){if(!i.get("doing")||document.activeElement!==document.body)return;let o=this.doing==="recording"?".stop":this.doing!=="nothing"?".cancel":this.transcript?"#words-heading":".record",r=this.querySelector(o);await r?.updateComplete,r?.focus()}get busy(){return this.doing!=="nothing"}async start(){this.abort=new AbortController;try{this.take(await Ai())}catch(i){this.fail(i)}}take(i){this.problem=null,this.offer=i;let o=JSON.parse(localStorage.getItem(yn)??"{}");this.choose(o.model,o.decoding),this.file&&!this.transcript&&this.transcribeFile()}choose(i,o){let r=this.offer.data,s=r.find(({id:a})=>a===i)??r[0],n=s.decodings.find(a=>a===o)??s.decodings[0];this.choice={model:s.id,decoding:n},localStorage.setItem(yn,JSON.stringify(this.choice))}fail(i){if(this.doing="nothing",this.status="",this.abort.signal.aborted){this.status="Cancelled.";return}this.problem=Ei(i),this.problem.withFile&&(this.file=null),this.problem.kind==="wrong-key"&&this.keyDialog.ask()}finish(i){let{length:o}=i.words;this.doing="nothing",this.transcript=i,this.status=`Done: ${o} ${o===1?"word":"words"}.`}cancel(){this.abort.abort(),this.stream?.close()}open(i){let o=i?.[0];!o||this.busy||!this.offer||(this.transcript=null,this.file=o,this.transcribeFile())}async transcribeFile(){let{file:i,offer:o}=this;if(!i||!o)return this.start();this.problem=null,this.sent=0,this.abort=new AbortController;try{if(!i.size)throw new nt("empty-file");if(i.size>o.max_bytes){let[s,n]=[i.size,o.max_bytes].map(a=>(a/1e6).toFixed(1));throw new nt("too-large",`It has ${s} MB; the server accepts ${n} MB.`)}this.doing="sending",this.status=`Sending ${i.name}.`;let r=s=>{this.sent=s,!(s<1||this.doing==="transcribing")&&(this.doing="transcribing",this.status=`Transcribing ${i.name}.`)};this.finish(await Vs(i,this.choice,r,this.abort.signal))}catch(r){this.fail(r)}}async record(){this.problem=null,this.partial="",this.recorded=0,this.abort=new AbortController;try{let i=await Bi.open(),o=s=>{this.stream===r&&(this.partial=s??"Words appear when you stop, not while you speak.")},r=new ki(this.choice,i.sampleRate,o);i.onSamples=s=>{r.send(s),this.recorded=i.seconds,this.recorded>=this.longest&&this.doing==="recording"&&this.stop()},[this.microphone,this.stream]=[i,r],this.transcript=this.file=null,this.doing="recording",this.status="Recording."}catch(i){this.fail(i)}}get longest(){let{max_bytes:i,max_seconds:o}=this.offer;return Math.min(o,fn(i,this.microphone.sampleRate))}async stop(){let[i,o]=[this.microphone,this.stream];this.doing="transcribing",this.status="Transcribing the recording.";try{this.file=await i.close();let r=await o.end();this.abort.signal.throwIfAborted(),r?this.finish(r):await this.transcribeFile()}catch(r){this.fail(r)}finally{o.close(),this.microphone=this.stream=null}}discard(){this.cancel(),this.microphone.release(),this.microphone=this.stream=null,this.doing="nothing",this.status="Discarded."}render(){return S`
      <header>
        <h1>Speech to text</h1>
        <wa-button size="s" appearance="outlined" @click=${()=>this.keyDialog.ask()}>
          <wa-icon slot="start" name="key"></wa-icon>API key
        </wa-button>
      </header>
      <main>${this.source()} ${this.result()}</main>
      <footer>
        <p>Your recordings are sent to this server only, and it does not keep them.</p>
      </footer>
      <p class="wa-visually-hidden" role="status">${this.status}</p>
      <speech-key @key=${({detail:i})=>this.take(i)}></speech-key>
    `}source(){return S`
      <section aria-labelledby="source-heading">
        <h2 id="source-heading">Recording</h2>
        ${this.doing==="recording"?this.recording():this.entry()}
        ${this.progress()} ${this.complaint()} ${this.options()}
      </section>
    `}entry(){let i=s=>{s.preventDefault(),this.dropping=s.type==="dragover"},o=s=>{i(s),this.open(s.dataTransfer?.files)},r=({target:s})=>{let n=s;this.open(n.files),n.value=""};return S`
      <div
        class="entry ${this.dropping?"dropping":""}"
        @dragover=${i}
        @dragleave=${i}
        @drop=${o}
      >
        <wa-button
          class="record"
          variant="brand"
          appearance="accent"
          ?disabled=${this.busy||!this.offer}
          @click=${this.record}
        >
          <wa-icon slot="start" name="microphone"></wa-icon>Record
        </wa-button>
        <label class="file">
          <input
            type="file"
            class="wa-visually-hidden"
            accept="audio/*,video/*,.flac,.wav,.ogg,.opus,.mp3,.m4a,.webm"
            ?disabled=${this.busy||!this.offer}
            @change=${r}
          />
          <wa-icon name="upload"></wa-icon><span>Choose a file</span>
        </label>
        <p class="drop-hint">or drop one here</p>
      </div>
    `}recording(){return S`
      <div class="recording">
        <speech-live-waveform .stream=${this.microphone.stream}></speech-live-waveform>
        <div class="actions">
          <wa-button class="stop" variant="danger" appearance="accent" @click=${this.stop}>
            <wa-icon slot="start" name="stop"></wa-icon>Stop
          </wa-button>
          <wa-button appearance="outlined" @click=${this.discard}>Discard</wa-button>
          <span class="time">${yt(this.recorded)} of ${yt(this.longest)} at most</span>
        </div>
        <p class="partial">${this.partial||"Speak: words appear while you speak."}</p>
      </div>
    `}progress(){if(this.doing!=="sending"&&this.doing!=="transcribing")return H;let[i,o]=[this.doing==="sending",Math.round(100*this.sent)];return S`
      <div class="progress">
        <wa-progress-bar
          label=${i?"Sending":"Transcribing"}
          value=${o}
          ?indeterminate=${!i}
        ></wa-progress-bar>
        <div class="actions">
          <span>${i?`Sending: ${o} %`:"Transcribing \u2026"}</span>
          <wa-button class="cancel" size="s" appearance="outlined" @click=${this.cancel}>
            Cancel
          </wa-button>
        </div>
      </div>
    `}complaint(){let{problem:i}=this,o=i?.kind==="wrong-key"?S`<wa-button size="s" @click=${()=>this.keyDialog.ask()}>Enter a key</wa-button>`:S`<wa-button size="s" @click=${this.transcribeFile}>
            <wa-icon slot="start" name="retry"></wa-icon>Try again
          </wa-button>`;return S`
      <div role="alert">
        ${i&&S`
          <wa-callout variant="danger" size="s">
            <wa-icon slot="icon" name="warning"></wa-icon>
            <p><strong>${i.message}</strong> ${i.advice}</p>
            ${i.detail&&S`<p class="detail">${i.detail}</p>`}
            ${i.passing?o:H}
          </wa-callout>
        `}
      </div>
    `}options(){let{model:i,decoding:o}=this.choice,r=this.offer?.data??[],s=r.find(({id:l})=>l===i)?.decodings??[],n=(l,c,d,h)=>S`
      <wa-select
        label=${l}
        .value=${c}
        ?disabled=${this.busy||!d.length}
        @change=${({target:f})=>h(f.value)}
      >
        ${d.map(f=>S`<wa-option value=${f}>${f}</wa-option>`)}
      </wa-select>
    `,a=r.map(({id:l})=>l);return S`
      <div class="options">
        ${n("Model",i,a,l=>this.choose(l,void 0))}
        ${n("Decoding",o,s,l=>this.choose(i,l))}
        <wa-button
          appearance="outlined"
          ?disabled=${this.busy||!this.file||!this.offer}
          @click=${this.transcribeFile}
        >
          <wa-icon slot="start" name="retry"></wa-icon>Transcribe again
        </wa-button>
      </div>
    `}result(){let{file:i,transcript:o}=this;return S`
      <section aria-labelledby="words-heading" ?hidden=${!i}>
        <h2 id="words-heading" tabindex="-1">
          Transcript <span class="name">${i?.name}</span>
        </h2>
        <speech-waveform
          .recording=${i}
          .words=${o?.words??[]}
          @word=${({detail:r})=>this.current=r}
        ></speech-waveform>
        ${o&&this.words(o)}
      </section>
    `}words(i){if(!i.words.length)return S`<p class="note">No words were recognized.</p>`;let o=this.file.name.replace(/\.[^.]*$/,"");return S`
      <p id="words-hint" class="note">
        Click a word to play from it, or go to it with the arrow keys and press Enter.
      </p>
      <speech-words
        class=${this.confidences?"":"without-confidences"}
        .transcript=${i}
        .current=${this.current}
        @play-from=${({detail:r})=>this.waveform.playFrom(r)}
      ></speech-words>
      <div class="legend">
        <wa-switch
          size="s"
          ?checked=${this.confidences}
          @change=${({target:r})=>this.confidences=r.checked}
        >
          Confidences
        </wa-switch>
        <span class="word fair"><span class="text">below 90 %</span></span>
        <span class="word unsure"><span class="text">below 60 %</span></span>
      </div>
      <div class="actions downloads" role="group" aria-label="Download">
        ${Object.entries(wn).map(([r,s])=>S`
            <wa-button
              size="s"
              appearance="outlined"
              @click=${()=>bn(`${o}.${r}`,s(i))}
            >
              <wa-icon slot="start" name="download"></wa-icon>${r.toUpperCase()}
            </wa-button>
          `)}
      </div>
    `}};R([O()],J.prototype,"doing",2),R([O()],J.prototype,"problem",2),R([O()],J.prototype,"status",2),R([O()],J.prototype,"offer",2),R([O()],J.prototype,"choice",2),R([O()],J.prototype,"file",2),R([O()],J.prototype,"transcript",2),R([O()],J.prototype,"sent",2),R([O()],J.prototype,"microphone",2),R([O()],J.prototype,"recorded",2),R([O()],J.prototype,"partial",2),R([O()],J.prototype,"current",2),R([O()],J.prototype,"dropping",2),R([O()],J.prototype,"confidences",2),R([V("speech-key")],J.prototype,"keyDialog",2),R([V("speech-waveform")],J.prototype,"waveform",2),J=R([F("speech-page")],J);export{J as SpeechPage};
