/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration of application load balancers: rules, actions, attributes, and ELB's limits. */
#include "unit.h"

#include "config.h"

#define GOOD                                                             \
	"[interface a]\ndevice = x\naddress = 192.0.2.1/24\n"            \
	"[load_balancer lb]\ntype = application\naddress = 192.0.2.10\n" \
	"[target_group g]\nprotocol = HTTP\ntarget = 192.0.2.20:80\n"    \
	"[listener lb:80]\nprotocol = HTTP\ndefault_action = forward g\n"
#define RULE   GOOD "[rule lb:80 1]\naction = forward g\n"
#define X10    "xxxxxxxxxx"
#define X64    X10 X10 X10 X10 X10 X10 "xxxx"
#define X128   X64 X64
#define LONG_A X128 "x"

static struct model *
parse(const char *text, struct config_errors *errors)
{
	struct config_source source = {"t.ini", text, strlen(text)};

	return config_load(&source, 1, errors);
}

static void
expect_error(const char *why, const char *base, const char *add, const char *want)
{
	struct config_errors errors = {0};
	char text[8192];
	struct model *m;

	snprintf(text, sizeof(text), "%s%s", base, add);
	m = parse(text, &errors);
	EXPECT_ROW(why, m == NULL && errors.n > 0);
	EXPECT_ROW(why, errors.n > 0 && strstr(errors.items[0].text, want) != NULL);
	if (errors.n > 0 && strstr(errors.items[0].text, want) == NULL)
		printf("  got: %s\n", errors.items[0].text);
	config_errors_free(&errors);
	model_free(m);
}

/* Lines added to a rule that is good but for its missing condition. */
static void
test_rule_errors(void)
{
	static const struct {
		const char *why, *add, *want;
	} rows[] = {
		{"no condition", "", "the rule has no condition"},
		{"a host without a dot", "condition.host_header = localhost\n", "has no dot"},
		{"a host that ends in a digit", "condition.host_header = a.example.c0m\n",
		 "ends in something else than letters"},
		{"a host that ends in a wildcard", "condition.host_header = example.*\n",
		 "ends in something else than letters"},
		{"a host with a port", "condition.host_header = a.example.com:80\n",
		 "is not a host name"},
		{"a long host", "condition.host_header = " LONG_A ".com\n", "too long"},
		{"a path with a query", "condition.path_pattern = \"/a=b\"\n",
		 "has other characters"},
		{"a path with an escape of nothing", "condition.path_pattern = /a\\b\n",
		 "a backslash stands before another character"},
		{"an empty value", "condition.path_pattern = /a,,/b\n", "a value is empty"},
		{"a quote without an end", "condition.path_pattern = \"/a\n", "quotes don't match"},
		{"four values", "condition.path_pattern = /a, /b, /c, /d\n",
		 "t.ini:15: [rule lb:80 1] condition.path_pattern: the condition has too many "
		 "values; allowed: at most 3 values in one condition"},
		{"four values on two lines",
		 "condition.path_pattern = /a, /b\ncondition.path_pattern = /c, /d\n",
		 "t.ini:16: [rule lb:80 1] condition.path_pattern: the condition has too many"},
		{"six values",
		 "condition.path_pattern = /a, /b, /c\ncondition.host_header = a.b, c.d, e.f\n",
		 "the rule has too many values"},
		{"seven wildcards",
		 "condition.path_pattern = /*/*/*\ncondition.host_header = ?*?*.b\n",
		 "at most 6 wildcards in a rule"},
		{"a method in small letters", "condition.http_request_method = get\n",
		 "is not a method"},
		{"a method with a wildcard", "condition.http_request_method = *\n",
		 "is not a method"},
		{"the host as a header", "condition.http_header.Host = a\n",
		 "the host has conditions of its own"},
		{"a header's name with a wildcard", "condition.http_header.X-* = a\n",
		 "the key is malformed"},
		{"a header's name of 41 characters",
		 "condition.http_header." X10 X10 X10 X10 "x = a\n",
		 "is not the name of a header field"},
		{"a header without a name", "condition.http_header. = a\n", "the key is not known"},
		{"a query without a value", "condition.query_string = a=\n", "has no value"},
		{"a query without a key", "condition.query_string = =a\n", "has no key"},
		{"a source of one host that is none", "condition.source_ip = 255.255.255.255/32\n",
		 "nobody's address"},
		{"a source that is no prefix", "condition.source_ip = 192.0.2.0/33\n",
		 "is not a prefix"},
		{"six sources",
		 "condition.source_ip = 1.0.0.0/8, 2.0.0.0/8, 3.0.0.0/8, 4.0.0.0/8, 5.0.0.0/8, "
		 "6.0.0.0/8\n",
		 "too many values"},
		{"patterns and regular expressions",
		 "condition.path_pattern = /a\ncondition.path_pattern_regex = ^/b\n",
		 "patterns and regular expressions of one kind"},
		{"look-ahead", "condition.path_pattern_regex = a(?=b)\n", "look-around is not"},
		{"look-behind", "condition.path_pattern_regex = (?<!a)b\n", "look-around is not"},
		{"a backreference", "condition.path_pattern_regex = (a)\\1\n", "backreferences"},
		{"a named backreference", "condition.path_pattern_regex = (?<n>a)\\k<n>\n",
		 "backreferences"},
		{"an atomic group", "condition.path_pattern_regex = (?>a)\n", "atomic groups"},
		{"a possessive quantifier", "condition.path_pattern_regex = a*+b\n", "possessive"},
		{"a possessive count", "condition.path_pattern_regex = a{2}+b\n", "possessive"},
		{"recursion", "condition.path_pattern_regex = a(?R)?b\n", "recursion"},
		{"a property", "condition.path_pattern_regex = \\p{L}\n", "Unicode properties"},
		{"a property in brackets", "condition.path_pattern_regex = [a\\p{L}]\n",
		 "Unicode properties"},
		{"a verb", "condition.path_pattern_regex = (*ACCEPT)a\n", "verbs"},
		{"a syntax error", "condition.path_pattern_regex = a(b\n", "at character"},
		{"a long regular expression", "condition.path_pattern_regex = " LONG_A "\n",
		 "too long"},
		{"two conditions of a kind that is no list", "action = forward g\n",
		 "the key is given twice"},
		{"a transform without an arrow", "transform.url_rewrite = /a\n", "is no transform"},
		{"a transform's group that isn't there",
		 "transform.url_rewrite = ^/a/(.*)$ -> /$2\n", "$2 is none of the 1 groups"},
		{"a transform's dollar", "transform.url_rewrite = a -> $x\n", "dollar sign"},
		{"a transform with look-around", "transform.host_header_rewrite = (?!a)b -> c\n",
		 "look-around"},
		{"an unknown condition", "condition.cookie = a\n", "the key is not known"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_error(rows[i].why, RULE, rows[i].add, rows[i].want);
}

/* Actions of a rule with one condition. */
static void
test_action_errors(void)
{
	static const struct {
		const char *why, *add, *want;
	} rows[] = {
		{"no action", "", "the action is missing"},
		{"no such group", "action = forward h\n", "no target group is named h"},
		{"a group twice", "action = forward g, g\n", "is named twice"},
		{"six groups", "action = forward a, b, c, d, e, f\n", "too many target groups"},
		{"a weight of 1000", "action = forward g weight 1000\n", "is not expected here"},
		{"no seconds", "action = forward g stickiness 0\n", "1 to 604800 seconds"},
		{"a redirect without a status", "action = redirect port=81\n", "no such status"},
		{"a redirect with a status that is none",
		 "action = redirect port=81 status=HTTP_307\n", "no such status"},
		{"a loop", "action = redirect query=a status=HTTP_301\n",
		 "t.ini:15: [rule lb:80 1] action: the redirect is a loop"},
		{"a loop in words",
		 "action = redirect protocol=HTTP port=80 host=#{host} path=/#{path} "
		 "status=HTTP_302\n",
		 "the redirect is a loop"},
		{"a redirect's port", "action = redirect port=0 status=HTTP_301\n", "is no port"},
		{"a redirect's path", "action = redirect path=a status=HTTP_301\n", "is no path"},
		{"a redirect's protocol", "action = redirect protocol=FTP status=HTTP_301\n",
		 "is no protocol"},
		{"a variable elsewhere", "action = redirect host=#{path} status=HTTP_301\n",
		 "host has a variable that is not allowed there; allowed: #{host}"},
		{"an unknown variable", "action = redirect path=/#{x} status=HTTP_301\n",
		 "path has a variable that is not allowed there"},
		{"a variable without an end", "action = redirect path=/#{path status=HTTP_301\n",
		 "path has a variable that is not allowed there"},
		{"an option twice", "action = redirect port=81 port=82 status=HTTP_301\n",
		 "port is given twice"},
		{"a long host", "action = redirect host=" LONG_A " status=HTTP_301\n",
		 "the value of host"},
		{"a query with a question mark",
		 "action = redirect port=81 query=?a status=HTTP_301\n", "question mark"},
		{"a response of 3xx", "action = fixed_response status=301\n", "no such status"},
		{"a content type", "action = fixed_response status=200 content_type=image/png\n",
		 "is no such type"},
		{"an option that is none", "action = fixed_response status=200 x=1\n",
		 "is not expected here"},
		{"authentication", "action = authenticate_oidc\n",
		 "authentication is not in this version"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_error(rows[i].why, GOOD "[rule lb:80 1]\ncondition.path_pattern = /a\n",
			     rows[i].add, rows[i].want);
}

static void
test_other_errors(void)
{
	static const struct {
		const char *why, *add, *want;
	} rows[] = {
		{"HTTPS", "[listener lb:443]\nprotocol = HTTPS\ndefault_action = forward g\n",
		 "the certificate is missing; allowed: certificate = NAME"},
		{"TCP", "[listener lb:443]\nprotocol = TCP\ndefault_action = forward g\n",
		 "an application load balancer has no TCP listeners"},
		{"a group of TCP",
		 "[target_group h]\nprotocol = TCP\n[listener lb:81]\nprotocol = HTTP\n"
		 "default_action = forward h\n",
		 "a HTTP listener cannot forward to target group h of protocol TCP"},
		{"a rule of nothing", "[rule lb:81 1]\n", "no listener is named lb:81"},
		{"a priority above all", "[rule lb:80 50001]\n", "is not a listener and priority"},
		{"HTTP/2 targets of a listener in the clear",
		 "[target_group h]\nprotocol = HTTP\nprotocol_version = HTTP2\n"
		 "[listener lb:88]\nprotocol = HTTP\ndefault_action = forward h\n",
		 "needs an HTTPS listener"},
		{"a matcher of HTTP for gRPC",
		 "[target_group h]\nprotocol = HTTP\nprotocol_version = GRPC\n"
		 "health_check.matcher = 200\n",
		 "`200` are no status codes"},
		{"slow start too short",
		 "[target_group h]\nprotocol = HTTP\nslow_start.duration_seconds = 29\n",
		 "29 s are too short"},
		{"slow start of another algorithm",
		 "[target_group h]\nprotocol = HTTP\nslow_start.duration_seconds = 30\n"
		 "load_balancing.algorithm.type = least_outstanding_requests\n",
		 "only round_robin has a slow start"},
		{"mitigation of another algorithm",
		 "[target_group h]\nprotocol = HTTP\n"
		 "load_balancing.algorithm.anomaly_mitigation = on\n",
		 "only weighted_random mitigates anomalies"},
		{"stickiness of weighted_random",
		 "[target_group h]\nprotocol = HTTP\nstickiness.enabled = true\n"
		 "load_balancing.algorithm.type = weighted_random\n",
		 "weighted_random has no stickiness"},
		{"stickiness of another kind",
		 "[target_group h]\nprotocol = HTTP\nstickiness.type = source_ip\n",
		 "has no such stickiness"},
		{"an application cookie without a name",
		 "[target_group h]\nprotocol = HTTP\nstickiness.enabled = true\n"
		 "stickiness.type = app_cookie\n",
		 "the application's cookie has no name"},
		{"an application cookie of ours",
		 "[target_group h]\nprotocol = HTTP\n"
		 "stickiness.app_cookie.cookie_name = AWSALBTG\n",
		 "cannot be the application's cookie"},
		{"an application cookie among several groups",
		 "[target_group h]\nprotocol = HTTP\nstickiness.enabled = true\n"
		 "stickiness.type = app_cookie\nstickiness.app_cookie.cookie_name = SID\n"
		 "[listener lb:81]\nprotocol = HTTP\ndefault_action = forward g, h\n",
		 "does not work among several target groups"},
		{"a matcher", "[target_group h]\nprotocol = HTTP\nhealth_check.matcher = 199\n",
		 "`199` are no status codes"},
		{"a matcher backwards",
		 "[target_group h]\nprotocol = HTTP\nhealth_check.matcher = 299-200\n",
		 "are no status codes"},
		{"a check's path", "[target_group h]\nprotocol = HTTP\nhealth_check.path = a\n",
		 "`a` is no path"},
		{"a check's protocol",
		 "[target_group h]\nprotocol = HTTP\nhealth_check.protocol = TCP\n",
		 "TCP health checks of HTTP target groups"},
		{"another way of forwarding",
		 "[target_group h]\nprotocol = HTTP\nforwarding = nat\n",
		 "HTTP target groups are forwarded to in no other way"},
		{"a log without a directory",
		 "[load_balancer b]\ntype = application\naddress = 192.0.2.11\n"
		 "access_logs.s3.enabled = true\n",
		 "the log has no directory"},
		{"a network load balancer's log without a directory",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\n"
		 "access_logs.s3.enabled = true\n",
		 "the log has no directory"},
		{"a response field's value",
		 "[listener lb:81]\nprotocol = HTTP\ndefault_action = forward g\n"
		 "routing.http.response.x_frame_options.header_value = \"a\\\"b\"\n",
		 "the value has other characters"},
		{"a name that frames messages",
		 "[listener lb:81]\nprotocol = HTTP\ndefault_action = forward g\n"
		 "routing.http.request.x_amzn_tls_version.header_name = Content-Length\n",
		 "Content-Length means something else"},
		{"no name",
		 "[listener lb:81]\nprotocol = HTTP\ndefault_action = forward g\n"
		 "routing.http.request.x_amzn_tls_cipher_suite.header_name = a b\n",
		 "`a b` is no name"},
		{"rules of another type",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\n[target_group h]\n"
		 "protocol = TCP\n[listener b:80]\nprotocol = TCP\ndefault_action = forward h\n"
		 "[rule b:80 1]\n",
		 "[load_balancer b] has one IP version: its listeners need no rules"},
		{"WAF",
		 "[load_balancer b]\ntype = application\naddress = 192.0.2.11\n"
		 "waf.fail_open.enabled = true\n",
		 "this version has no data path for it"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_error(rows[i].why, GOOD, rows[i].add, rows[i].want);
}

static void
test_values(void)
{
	struct config_errors errors = {0};
	struct model *m = parse(
		GOOD "[rule lb:80 10]\ncondition.host_header = API.example.com, *.b.example\n"
		     "condition.http_header.X-Kind = \"a,b\"\n"
		     "condition.query_string = version=v1*, \\=x\n"
		     "action = redirect protocol=HTTPS port=443 path=\"/#{path}\" query=\"\" "
		     "status=HTTP_301\n"
		     "transform.url_rewrite = ^/a/(.*) -> /b/$1\n"
		     "[rule lb:80 20]\ncondition.source_ip = 10.1.2.3/8\n"
		     "action = fixed_response status=503 content_type=text/plain body=\"a \\\"b; "
		     "c\\\"\"\n"
		     "[target_group h]\nprotocol = HTTP\nhealth_check.matcher = 200,204-206\n",
		&errors);
	const struct model_rule *r;
	const struct model_target_group *tg;

	EXPECT(m != NULL && errors.n == 0);
	if (m == NULL) {
		printf("%s\n", errors.items[0].text);
		config_errors_free(&errors);
		return;
	}
	r = &m->rules[0];
	EXPECT(r->priority == 10 && r->conditions_n == 3);
	EXPECT(r->conditions[0].condition_kind == CONDITION_HOST_HEADER &&
	       r->conditions[0].values_n == 2);
	EXPECT(strcmp(r->conditions[1].field, "x-kind") == 0 &&
	       strcmp(r->conditions[1].values[0].text, "a,b") == 0);
	EXPECT(strcmp(r->conditions[2].values[0].key, "version") == 0 &&
	       strcmp(r->conditions[2].values[0].text, "v1*") == 0);
	EXPECT(r->conditions[2].values[1].key[0] == '\0' &&
	       strcmp(r->conditions[2].values[1].text, "\\=x") == 0);
	EXPECT(r->action.action_kind == ACTION_REDIRECT && r->action.redirect.status == 301);
	EXPECT(r->action.redirect.query[0] == '\0' &&
	       strcmp(r->action.redirect.host, "#{host}") == 0);
	EXPECT(strcmp(r->url_rewrite.regex, "^/a/(.*)") == 0 &&
	       strcmp(r->url_rewrite.replacement, "/b/$1") == 0);
	r = &m->rules[1];
	EXPECT(r->conditions[0].values[0].prefix.len == 96 + 8);
	EXPECT(strcmp(r->action.fixed_response.body, "a \"b; c\"") == 0);
	tg = model_target_group(m, "h");
	EXPECT(tg->health_check.codes[0] == (1 | 7 << 4) && tg->health_check.timeout_s == 5);
	EXPECT(tg->health_check.protocol == ELB_HTTP && tg->full_nat);
	EXPECT(model_target_group(m, "g")->cross_zone);
	EXPECT(m->load_balancers[0].idle_timeout_s == 60 &&
	       m->load_balancers[0].desync_mode == DESYNC_DEFENSIVE);
	model_free(m);
}

int
main(void)
{
	test_rule_errors();
	test_action_errors();
	test_other_errors();
	test_values();
	return unit_done();
}
