/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include "check.h"
#include "tls_private.h"

/* clang-format off */
static const struct {
	const char *name, *status;
} words[TLS_FAILURES] = {
	[TLS_FAILURE_NONE]                = {"none", "Success"},
	[TLS_FAILURE_PLAIN_HTTP]          = {"plain_http", NULL},
	[TLS_FAILURE_NOT_TLS]             = {"not_tls", NULL},
	[TLS_FAILURE_VERSION]             = {"version", NULL},
	[TLS_FAILURE_CIPHER]              = {"cipher", NULL},
	[TLS_FAILURE_ALPN]                = {"alpn", NULL},
	[TLS_FAILURE_PROTOCOL]            = {"protocol", NULL},
	[TLS_FAILURE_RECORD]              = {"record", NULL},
	[TLS_FAILURE_FLOOD]               = {"flood", NULL},
	[TLS_FAILURE_HANDSHAKE_SIZE]      = {"handshake_size", NULL},
	[TLS_FAILURE_PEER_ALERT]          = {"peer_alert", NULL},
	[TLS_FAILURE_TRUNCATED]           = {"truncated", NULL},
	[TLS_FAILURE_MEMORY]              = {"memory", NULL},
	[TLS_FAILURE_INTERNAL]            = {"internal", NULL},
	[TLS_FAILURE_CERT_MISSING]        = {"cert_missing", NULL},
	[TLS_FAILURE_CERT_CHAIN_DEPTH]    = {"cert_chain_depth", "ClientCertMaxChainDepthExceeded"},
	[TLS_FAILURE_CERT_SIZE]           = {"cert_size", "ClientCertMaxSizeExceeded"},
	[TLS_FAILURE_CERT_CRL_HIT]        = {"cert_crl_hit", "ClientCertCrlHit"},
	[TLS_FAILURE_CERT_CRL_PROCESSING] = {"cert_crl_processing", "ClientCertCrlProcessingError"},
	[TLS_FAILURE_CERT_UNTRUSTED]      = {"cert_untrusted", "ClientCertUntrusted"},
	[TLS_FAILURE_CERT_NOT_YET_VALID]  = {"cert_not_yet_valid", "ClientCertNotYetValid"},
	[TLS_FAILURE_CERT_EXPIRED]        = {"cert_expired", "ClientCertExpired"},
	[TLS_FAILURE_CERT_TYPE]           = {"cert_type", "ClientCertTypeUnsupported"},
	[TLS_FAILURE_CERT_INVALID]        = {"cert_invalid", "ClientCertInvalid"},
	[TLS_FAILURE_CERT_PURPOSE]        = {"cert_purpose", "ClientCertPurposeInvalid"},
	[TLS_FAILURE_CERT_NAME]           = {"cert_name", "ClientCertInvalid"},
	[TLS_FAILURE_CERT_KEY]            = {"cert_key", "ClientCertInvalid"},
};

static const struct {
	int reason;
	enum tls_failure failure;
} reasons[] = {
	{SSL_R_UNSUPPORTED_PROTOCOL,                 TLS_FAILURE_VERSION},
	{SSL_R_UNKNOWN_PROTOCOL,                     TLS_FAILURE_VERSION},
	{SSL_R_VERSION_TOO_LOW,                      TLS_FAILURE_VERSION},
	{SSL_R_WRONG_VERSION_NUMBER,                 TLS_FAILURE_VERSION},
	{SSL_R_WRONG_SSL_VERSION,                    TLS_FAILURE_VERSION},
	{SSL_R_NO_PROTOCOLS_AVAILABLE,               TLS_FAILURE_VERSION},
	{SSL_R_INAPPROPRIATE_FALLBACK,               TLS_FAILURE_VERSION},
	{SSL_R_NO_SHARED_CIPHER,                     TLS_FAILURE_CIPHER},
	{SSL_R_NO_SHARED_GROUPS,                     TLS_FAILURE_CIPHER},
	{SSL_R_NO_SUITABLE_GROUPS,                   TLS_FAILURE_CIPHER},
	{SSL_R_NO_SUITABLE_KEY_SHARE,                TLS_FAILURE_CIPHER},
	{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,      TLS_FAILURE_CIPHER},
	{SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS,       TLS_FAILURE_CIPHER},
	{SSL_R_WRONG_SIGNATURE_TYPE,                 TLS_FAILURE_CIPHER},
	{SSL_R_NO_CIPHERS_SPECIFIED,                 TLS_FAILURE_CIPHER},
	{SSL_R_WRONG_CIPHER_RETURNED,                TLS_FAILURE_CIPHER},
	{SSL_R_DH_KEY_TOO_SMALL,                     TLS_FAILURE_CIPHER},
	{SSL_R_UNSUPPORTED_ELLIPTIC_CURVE,           TLS_FAILURE_CIPHER},
	{SSL_R_NO_APPLICATION_PROTOCOL,              TLS_FAILURE_ALPN},
	{SSL_R_DATA_LENGTH_TOO_LONG,                 TLS_FAILURE_RECORD},
	{SSL_R_ENCRYPTED_LENGTH_TOO_LONG,            TLS_FAILURE_RECORD},
	{SSL_R_PACKET_LENGTH_TOO_LONG,               TLS_FAILURE_RECORD},
	{SSL_R_LENGTH_TOO_SHORT,                     TLS_FAILURE_RECORD},
	{SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,  TLS_FAILURE_RECORD},
	{SSL_R_DECRYPTION_FAILED,                    TLS_FAILURE_RECORD},
	{SSL_R_TOO_MANY_WARN_ALERTS,                 TLS_FAILURE_FLOOD},
	{SSL_R_TOO_MANY_KEY_UPDATES,                 TLS_FAILURE_FLOOD},
	{SSL_R_RECORD_TOO_SMALL,                     TLS_FAILURE_FLOOD},
	{SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,    TLS_FAILURE_CERT_MISSING},
	{ERR_R_MALLOC_FAILURE,                       TLS_FAILURE_MEMORY},
	{ERR_R_INTERNAL_ERROR,                       TLS_FAILURE_INTERNAL},
};

static const struct {
	int error;
	enum tls_failure failure;
} errors[] = {
	{X509_V_ERR_CERT_CHAIN_TOO_LONG,                  TLS_FAILURE_CERT_CHAIN_DEPTH},
	{X509_V_ERR_CERT_REVOKED,                         TLS_FAILURE_CERT_CRL_HIT},
	{X509_V_ERR_UNABLE_TO_GET_CRL,                    TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE,      TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_CRL_SIGNATURE_FAILURE,                TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_CRL_NOT_YET_VALID,                    TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_CRL_HAS_EXPIRED,                      TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD,       TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD,       TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER,             TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_KEYUSAGE_NO_CRL_SIGN,                 TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION,     TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_DIFFERENT_CRL_SCOPE,                  TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_CRL_PATH_VALIDATION_ERROR,            TLS_FAILURE_CERT_CRL_PROCESSING},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,            TLS_FAILURE_CERT_UNTRUSTED},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,    TLS_FAILURE_CERT_UNTRUSTED},
	{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,      TLS_FAILURE_CERT_UNTRUSTED},
	{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,          TLS_FAILURE_CERT_UNTRUSTED},
	{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,            TLS_FAILURE_CERT_UNTRUSTED},
	{X509_V_ERR_CERT_UNTRUSTED,                       TLS_FAILURE_CERT_UNTRUSTED},
	{X509_V_ERR_CERT_REJECTED,                        TLS_FAILURE_CERT_UNTRUSTED},
	{X509_V_ERR_CERT_NOT_YET_VALID,                   TLS_FAILURE_CERT_NOT_YET_VALID},
	{X509_V_ERR_CERT_HAS_EXPIRED,                     TLS_FAILURE_CERT_EXPIRED},
	{X509_V_ERR_INVALID_PURPOSE,                      TLS_FAILURE_CERT_PURPOSE},
	{X509_V_ERR_EE_KEY_TOO_SMALL,                     TLS_FAILURE_CERT_TYPE},
	{X509_V_ERR_CA_KEY_TOO_SMALL,                     TLS_FAILURE_CERT_TYPE},
	{X509_V_ERR_CA_MD_TOO_WEAK,                       TLS_FAILURE_CERT_TYPE},
	{X509_V_ERR_HOSTNAME_MISMATCH,                    TLS_FAILURE_CERT_NAME},
	{X509_V_ERR_IP_ADDRESS_MISMATCH,                  TLS_FAILURE_CERT_NAME},
	{X509_V_ERR_APPLICATION_VERIFICATION,             TLS_FAILURE_CERT_KEY},
	{X509_V_ERR_OUT_OF_MEM,                           TLS_FAILURE_MEMORY},
};
/* clang-format on */

const char *
tls_failure_name(enum tls_failure failure)
{
	return words[failure].name;
}

const char *
tls_verify_status(enum tls_failure failure)
{
	const char *status = words[failure].status;

	return status != NULL ? status : "UnmappedConnectionError";
}

enum tls_failure
tls_failure_of_verify(int error)
{
	for (uint32_t i = 0; i < ARRAY_N(errors); i++)
		if (errors[i].error == error)
			return errors[i].failure;
	return TLS_FAILURE_CERT_INVALID;
}

static enum tls_failure
of_reason(const struct tls *tls, int reason)
{
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return tls->verify != TLS_FAILURE_NONE ? tls->verify : TLS_FAILURE_CERT_INVALID;
	/* Before our hello it is the hello that is too long; later, the certificates. */
	if (reason == SSL_R_EXCESSIVE_MESSAGE_SIZE)
		return tls->encrypted ? TLS_FAILURE_CERT_SIZE : TLS_FAILURE_HANDSHAKE_SIZE;
	if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
		return TLS_FAILURE_PEER_ALERT;
	for (uint32_t i = 0; i < ARRAY_N(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].failure;
	return TLS_FAILURE_PROTOCOL;
}

enum tls_failure
tls_failure_of_queue(const struct tls *tls)
{
	unsigned long error = ERR_peek_error();
	enum tls_failure failure = TLS_FAILURE_PROTOCOL;

	/* What libcrypto says first about a bad certificate or signature is libssl's "protocol". */
	for (; error != 0; error = ERR_get_error())
		if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
			failure = of_reason(tls, ERR_GET_REASON(error));
			break;
		}
	ERR_clear_error();
	return failure;
}
