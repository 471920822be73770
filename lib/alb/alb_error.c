/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_error.h"

#include <stddef.h>

/* docs/operations.md has the same table, for who reads logs. */
static const char *const names[ALB_ERRORS] = {
	[HTTP_FAULT_NONE] = "-",
	[HTTP_FAULT_MALFORMED] = "RequestMalformed",
	[HTTP_FAULT_VERSION] = "RequestVersionUnsupported",
	[HTTP_FAULT_LINE_LONG] = "RequestLineTooLong",
	[HTTP_FAULT_FIELD_LONG] = "RequestHeaderTooLong",
	[HTTP_FAULT_FIELDS_LONG] = "RequestHeadersTooLong",
	[HTTP_FAULT_FIELDS_MANY] = "RequestHeadersTooMany",
	[HTTP_FAULT_HOST] = "RequestHostInvalid",
	[HTTP_FAULT_DESYNC] = "RequestDesyncMitigated",
	[HTTP_FAULT_METHOD] = "RequestMethodNotAllowed",
	[HTTP_FAULT_CONNECT] = "RequestMethodNotAllowed",
	[HTTP_FAULT_CODING] = "RequestTransferEncodingUnsupported",
	[HTTP_FAULT_FORWARDED] = "RequestForwardedForTooLong",
	[PROXY_ERROR_RESOURCES] = "ResourcesExhausted",
	[PROXY_ERROR_REQUEST_INCOMPLETE] = "RequestIncomplete",
	[PROXY_ERROR_REQUEST_BODY] = "RequestBodyMalformed",
	[PROXY_ERROR_REQUEST_TIMEOUT] = "RequestTimeout",
	[PROXY_ERROR_CLIENT_CLOSED] = "ClientClosed",
	[PROXY_ERROR_CLIENT_TIMEOUT] = "ClientTimeout",
	[PROXY_ERROR_TARGET_REFUSED] = "TargetConnectionRefused",
	[PROXY_ERROR_TARGET_CONNECT_TIMEOUT] = "TargetConnectionTimeout",
	[PROXY_ERROR_TARGET_TLS] = "TargetTlsNegotiationFailed",
	[PROXY_ERROR_TARGET_TLS_TIMEOUT] = "TargetTlsNegotiationTimeout",
	[PROXY_ERROR_TARGET_CLOSED] = "TargetClosed",
	[PROXY_ERROR_TARGET_TIMEOUT] = "TargetTimeout",
	[PROXY_ERROR_TARGET_RESPONSE] = "TargetResponseMalformed",
	[PROXY_ERROR_TARGET_LONG] = "TargetResponseHeadersTooLong",
	[PROXY_ERROR_TARGET_LEFT] = "TargetDeregistered",
	[PROXY_ERROR_SPILLOVER] = "Spillover",
	[PROXY_ERROR_TARGET_BUSY] = "TargetBusy",
	[SERVICE_ERROR_NO_TARGETS] = "NoTargets",
	[ALB_ERROR_BUDGET] = "RuleRegexBudgetExceeded",
	[ALB_ERROR_TRANSFORM] = "TransformFailed",
	[ALB_ERROR_REDIRECT] = "RedirectUrlTooLong",
	[SERVICE_ERROR_LISTENER] = "ListenerRemoved",
	[ALB_ERROR_VERSION] = "ProtocolVersionIncompatible",
};

const char *
alb_error_name(uint8_t error)
{
	return error < ALB_ERRORS && names[error] != NULL ? names[error] : "-";
}
