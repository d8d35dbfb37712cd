/**
 * @file
 * The messages of proto/amparo/v1 as C, and the one way in and out of their encoding.
 *
 * This header alone includes the generated code and gives its names the house style:
 * `struct pb_entry`, its initialiser PB_ENTRY_INIT, its descriptor pb_entry_desc. Enum values keep
 * the generated prefix (AMPARO__V1__ENTRY_KIND__ENTRY_KIND_SEAL); PB(x) shortens it.
 *
 * Bytes from outside are decoded by message_decode() only: one scan decides, before a byte is
 * allocated, whether they are the one encoding that a message has, and what it will hold (depth,
 * number of fields, bytes). Unknown fields are refused at every level, and text is strict UTF-8
 * without control characters. What has passed is built in one allocation.
 * protobuf-c gives the structs and their descriptors and does nothing by itself.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "amparo/v1/api.pb-c.h"
#include "amparo/v1/exchange.pb-c.h"
#include "amparo/v1/ledger.pb-c.h"
#include "amparo/v1/process.pb-c.h"
#include "amparo/v1/record.pb-c.h"
#include "amparo/v1/referral.pb-c.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"

/* ledger.proto */
#define pb_entry Amparo__V1__Entry
#define PB_ENTRY_INIT AMPARO__V1__ENTRY__INIT
#define pb_entry_desc amparo__v1__entry__descriptor
#define pb_local_part Amparo__V1__LocalPart
#define PB_LOCAL_PART_INIT AMPARO__V1__LOCAL_PART__INIT
#define pb_local_part_desc amparo__v1__local_part__descriptor
#define pb_handling Amparo__V1__Handling
#define PB_HANDLING_INIT AMPARO__V1__HANDLING__INIT
#define pb_handling_desc amparo__v1__handling__descriptor
#define pb_manifest Amparo__V1__Manifest
#define PB_MANIFEST_INIT AMPARO__V1__MANIFEST__INIT
#define pb_manifest_desc amparo__v1__manifest__descriptor
#define pb_seal Amparo__V1__Seal
#define PB_SEAL_INIT AMPARO__V1__SEAL__INIT
#define pb_seal_desc amparo__v1__seal__descriptor
#define pb_exception Amparo__V1__Exception
#define PB_EXCEPTION_INIT AMPARO__V1__EXCEPTION__INIT
#define pb_exception_desc amparo__v1__exception__descriptor
#define pb_receipt Amparo__V1__Receipt
#define PB_RECEIPT_INIT AMPARO__V1__RECEIPT__INIT
#define pb_receipt_desc amparo__v1__receipt__descriptor
/* record.proto */
#define pb_partial_date Amparo__V1__PartialDate
#define PB_PARTIAL_DATE_INIT AMPARO__V1__PARTIAL_DATE__INIT
#define pb_partial_date_desc amparo__v1__partial_date__descriptor
#define pb_name Amparo__V1__Name
#define PB_NAME_INIT AMPARO__V1__NAME__INIT
#define pb_name_desc amparo__v1__name__descriptor
#define pb_name_part Amparo__V1__NamePart
#define PB_NAME_PART_INIT AMPARO__V1__NAME_PART__INIT
#define pb_name_part_desc amparo__v1__name_part__descriptor
#define pb_place Amparo__V1__Place
#define PB_PLACE_INIT AMPARO__V1__PLACE__INIT
#define pb_place_desc amparo__v1__place__descriptor
#define pb_address Amparo__V1__Address
#define PB_ADDRESS_INIT AMPARO__V1__ADDRESS__INIT
#define pb_address_desc amparo__v1__address__descriptor
#define pb_routing Amparo__V1__Routing
#define PB_ROUTING_INIT AMPARO__V1__ROUTING__INIT
#define pb_routing_desc amparo__v1__routing__descriptor
#define pb_victim_record Amparo__V1__VictimRecord
#define PB_VICTIM_RECORD_INIT AMPARO__V1__VICTIM_RECORD__INIT
#define pb_victim_record_desc amparo__v1__victim_record__descriptor
#define pb_age_estimate Amparo__V1__AgeEstimate
#define PB_AGE_ESTIMATE_INIT AMPARO__V1__AGE_ESTIMATE__INIT
#define pb_age_estimate_desc amparo__v1__age_estimate__descriptor
#define pb_identity Amparo__V1__Identity
#define PB_IDENTITY_INIT AMPARO__V1__IDENTITY__INIT
#define pb_identity_desc amparo__v1__identity__descriptor
#define pb_identity_document Amparo__V1__IdentityDocument
#define PB_IDENTITY_DOCUMENT_INIT AMPARO__V1__IDENTITY_DOCUMENT__INIT
#define pb_identity_document_desc amparo__v1__identity_document__descriptor
#define pb_mark Amparo__V1__Mark
#define PB_MARK_INIT AMPARO__V1__MARK__INIT
#define pb_mark_desc amparo__v1__mark__descriptor
#define pb_description Amparo__V1__Description
#define PB_DESCRIPTION_INIT AMPARO__V1__DESCRIPTION__INIT
#define pb_description_desc amparo__v1__description__descriptor
#define pb_caregiver_contact Amparo__V1__CaregiverContact
#define PB_CAREGIVER_CONTACT_INIT AMPARO__V1__CAREGIVER_CONTACT__INIT
#define pb_caregiver_contact_desc amparo__v1__caregiver_contact__descriptor
#define pb_online_account Amparo__V1__OnlineAccount
#define PB_ONLINE_ACCOUNT_INIT AMPARO__V1__ONLINE_ACCOUNT__INIT
#define pb_online_account_desc amparo__v1__online_account__descriptor
#define pb_contact Amparo__V1__Contact
#define PB_CONTACT_INIT AMPARO__V1__CONTACT__INIT
#define pb_contact_desc amparo__v1__contact__descriptor
#define pb_family_member Amparo__V1__FamilyMember
#define PB_FAMILY_MEMBER_INIT AMPARO__V1__FAMILY_MEMBER__INIT
#define pb_family_member_desc amparo__v1__family_member__descriptor
#define pb_family_contact Amparo__V1__FamilyContact
#define PB_FAMILY_CONTACT_INIT AMPARO__V1__FAMILY_CONTACT__INIT
#define pb_family_contact_desc amparo__v1__family_contact__descriptor
#define pb_caregiver Amparo__V1__Caregiver
#define PB_CAREGIVER_INIT AMPARO__V1__CAREGIVER__INIT
#define pb_caregiver_desc amparo__v1__caregiver__descriptor
#define pb_representative Amparo__V1__Representative
#define PB_REPRESENTATIVE_INIT AMPARO__V1__REPRESENTATIVE__INIT
#define pb_representative_desc amparo__v1__representative__descriptor
#define pb_care Amparo__V1__Care
#define PB_CARE_INIT AMPARO__V1__CARE__INIT
#define pb_care_desc amparo__v1__care__descriptor
#define pb_separation Amparo__V1__Separation
#define PB_SEPARATION_INIT AMPARO__V1__SEPARATION__INIT
#define pb_separation_desc amparo__v1__separation__descriptor
#define pb_companion Amparo__V1__Companion
#define PB_COMPANION_INIT AMPARO__V1__COMPANION__INIT
#define pb_companion_desc amparo__v1__companion__descriptor
#define pb_vehicle Amparo__V1__Vehicle
#define PB_VEHICLE_INIT AMPARO__V1__VEHICLE__INIT
#define pb_vehicle_desc amparo__v1__vehicle__descriptor
#define pb_missing Amparo__V1__Missing
#define PB_MISSING_INIT AMPARO__V1__MISSING__INIT
#define pb_missing_desc amparo__v1__missing__descriptor
#define pb_health Amparo__V1__Health
#define PB_HEALTH_INIT AMPARO__V1__HEALTH__INIT
#define pb_health_desc amparo__v1__health__descriptor
#define pb_origin Amparo__V1__Origin
#define PB_ORIGIN_INIT AMPARO__V1__ORIGIN__INIT
#define pb_origin_desc amparo__v1__origin__descriptor
#define pb_views Amparo__V1__Views
#define PB_VIEWS_INIT AMPARO__V1__VIEWS__INIT
#define pb_views_desc amparo__v1__views__descriptor
#define pb_withhold_from Amparo__V1__WithholdFrom
#define PB_WITHHOLD_FROM_INIT AMPARO__V1__WITHHOLD_FROM__INIT
#define pb_withhold_from_desc amparo__v1__withhold_from__descriptor
#define pb_safe_contact Amparo__V1__SafeContact
#define PB_SAFE_CONTACT_INIT AMPARO__V1__SAFE_CONTACT__INIT
#define pb_safe_contact_desc amparo__v1__safe_contact__descriptor
#define pb_safety Amparo__V1__Safety
#define PB_SAFETY_INIT AMPARO__V1__SAFETY__INIT
#define pb_safety_desc amparo__v1__safety__descriptor
#define pb_derived Amparo__V1__Derived
#define PB_DERIVED_INIT AMPARO__V1__DERIVED__INIT
#define pb_derived_desc amparo__v1__derived__descriptor
#define pb_case_record Amparo__V1__CaseRecord
#define PB_CASE_RECORD_INIT AMPARO__V1__CASE_RECORD__INIT
#define pb_case_record_desc amparo__v1__case_record__descriptor
#define pb_case Amparo__V1__Case
#define PB_CASE_INIT AMPARO__V1__CASE__INIT
#define pb_case_desc amparo__v1__case__descriptor
#define pb_previous_incident Amparo__V1__PreviousIncident
#define PB_PREVIOUS_INCIDENT_INIT AMPARO__V1__PREVIOUS_INCIDENT__INIT
#define pb_previous_incident_desc amparo__v1__previous_incident__descriptor
#define pb_route_stop Amparo__V1__RouteStop
#define PB_ROUTE_STOP_INIT AMPARO__V1__ROUTE_STOP__INIT
#define pb_route_stop_desc amparo__v1__route_stop__descriptor
#define pb_online_element Amparo__V1__OnlineElement
#define PB_ONLINE_ELEMENT_INIT AMPARO__V1__ONLINE_ELEMENT__INIT
#define pb_online_element_desc amparo__v1__online_element__descriptor
#define pb_incident Amparo__V1__Incident
#define PB_INCIDENT_INIT AMPARO__V1__INCIDENT__INIT
#define pb_incident_desc amparo__v1__incident__descriptor
#define pb_alleged_offender Amparo__V1__AllegedOffender
#define PB_ALLEGED_OFFENDER_INIT AMPARO__V1__ALLEGED_OFFENDER__INIT
#define pb_alleged_offender_desc amparo__v1__alleged_offender__descriptor
#define pb_service Amparo__V1__Service
#define PB_SERVICE_INIT AMPARO__V1__SERVICE__INIT
#define pb_service_desc amparo__v1__service__descriptor
#define pb_follow_up Amparo__V1__FollowUp
#define PB_FOLLOW_UP_INIT AMPARO__V1__FOLLOW_UP__INIT
#define pb_follow_up_desc amparo__v1__follow_up__descriptor
#define pb_best_interest Amparo__V1__BestInterest
#define PB_BEST_INTEREST_INIT AMPARO__V1__BEST_INTEREST__INIT
#define pb_best_interest_desc amparo__v1__best_interest__descriptor
#define pb_reunification Amparo__V1__Reunification
#define PB_REUNIFICATION_INIT AMPARO__V1__REUNIFICATION__INIT
#define pb_reunification_desc amparo__v1__reunification__descriptor
#define pb_restitution Amparo__V1__Restitution
#define PB_RESTITUTION_INIT AMPARO__V1__RESTITUTION__INIT
#define pb_restitution_desc amparo__v1__restitution__descriptor
#define pb_outcome Amparo__V1__Outcome
#define PB_OUTCOME_INIT AMPARO__V1__OUTCOME__INIT
#define pb_outcome_desc amparo__v1__outcome__descriptor
#define pb_officer Amparo__V1__Officer
#define PB_OFFICER_INIT AMPARO__V1__OFFICER__INIT
#define pb_officer_desc amparo__v1__officer__descriptor
#define pb_provenance Amparo__V1__Provenance
#define PB_PROVENANCE_INIT AMPARO__V1__PROVENANCE__INIT
#define pb_provenance_desc amparo__v1__provenance__descriptor
/* referral.proto */
#define pb_consent Amparo__V1__Consent
#define PB_CONSENT_INIT AMPARO__V1__CONSENT__INIT
#define pb_consent_desc amparo__v1__consent__descriptor
#define pb_best_interest_override Amparo__V1__BestInterestOverride
#define PB_BEST_INTEREST_OVERRIDE_INIT AMPARO__V1__BEST_INTEREST_OVERRIDE__INIT
#define pb_best_interest_override_desc amparo__v1__best_interest_override__descriptor
#define pb_disclosure Amparo__V1__Disclosure
#define PB_DISCLOSURE_INIT AMPARO__V1__DISCLOSURE__INIT
#define pb_disclosure_desc amparo__v1__disclosure__descriptor
#define pb_referral Amparo__V1__Referral
#define PB_REFERRAL_INIT AMPARO__V1__REFERRAL__INIT
#define pb_referral_desc amparo__v1__referral__descriptor
#define pb_status Amparo__V1__Status
#define PB_STATUS_INIT AMPARO__V1__STATUS__INIT
#define pb_status_desc amparo__v1__status__descriptor
#define pb_supplement Amparo__V1__Supplement
#define PB_SUPPLEMENT_INIT AMPARO__V1__SUPPLEMENT__INIT
#define pb_supplement_desc amparo__v1__supplement__descriptor
#define pb_correction Amparo__V1__Correction
#define PB_CORRECTION_INIT AMPARO__V1__CORRECTION__INIT
#define pb_correction_desc amparo__v1__correction__descriptor
#define pb_recall Amparo__V1__Recall
#define PB_RECALL_INIT AMPARO__V1__RECALL__INIT
#define pb_recall_desc amparo__v1__recall__descriptor
#define pb_recall_answer Amparo__V1__RecallAnswer
#define PB_RECALL_ANSWER_INIT AMPARO__V1__RECALL_ANSWER__INIT
#define pb_recall_answer_desc amparo__v1__recall_answer__descriptor
#define pb_notice Amparo__V1__Notice
#define PB_NOTICE_INIT AMPARO__V1__NOTICE__INIT
#define pb_notice_desc amparo__v1__notice__descriptor
#define pb_adopt Amparo__V1__Adopt
#define PB_ADOPT_INIT AMPARO__V1__ADOPT__INIT
#define pb_adopt_desc amparo__v1__adopt__descriptor
#define pb_withdraw Amparo__V1__Withdraw
#define PB_WITHDRAW_INIT AMPARO__V1__WITHDRAW__INIT
#define pb_withdraw_desc amparo__v1__withdraw__descriptor
#define pb_key Amparo__V1__Key
#define PB_KEY_INIT AMPARO__V1__KEY__INIT
#define pb_key_desc amparo__v1__key__descriptor
#define pb_epoch Amparo__V1__Epoch
#define PB_EPOCH_INIT AMPARO__V1__EPOCH__INIT
#define pb_epoch_desc amparo__v1__epoch__descriptor
#define pb_epoch_accepted Amparo__V1__EpochAccepted
#define PB_EPOCH_ACCEPTED_INIT AMPARO__V1__EPOCH_ACCEPTED__INIT
#define pb_epoch_accepted_desc amparo__v1__epoch_accepted__descriptor
/* exchange.proto */
#define pb_frame Amparo__V1__Frame
#define PB_FRAME_INIT AMPARO__V1__FRAME__INIT
#define pb_frame_desc amparo__v1__frame__descriptor
#define pb_hello Amparo__V1__Hello
#define PB_HELLO_INIT AMPARO__V1__HELLO__INIT
#define pb_hello_desc amparo__v1__hello__descriptor
#define pb_size_proof Amparo__V1__SizeProof
#define PB_SIZE_PROOF_INIT AMPARO__V1__SIZE_PROOF__INIT
#define pb_size_proof_desc amparo__v1__size_proof__descriptor
#define pb_opening Amparo__V1__Opening
#define PB_OPENING_INIT AMPARO__V1__OPENING__INIT
#define pb_opening_desc amparo__v1__opening__descriptor
#define pb_item Amparo__V1__Item
#define PB_ITEM_INIT AMPARO__V1__ITEM__INIT
#define pb_item_desc amparo__v1__item__descriptor
#define pb_batch Amparo__V1__Batch
#define PB_BATCH_INIT AMPARO__V1__BATCH__INIT
#define pb_batch_desc amparo__v1__batch__descriptor
#define pb_resume Amparo__V1__Resume
#define PB_RESUME_INIT AMPARO__V1__RESUME__INIT
#define pb_resume_desc amparo__v1__resume__descriptor
#define pb_ask_heads Amparo__V1__AskHeads
#define PB_ASK_HEADS_INIT AMPARO__V1__ASK_HEADS__INIT
#define pb_ask_heads_desc amparo__v1__ask_heads__descriptor
#define pb_ask_consistency Amparo__V1__AskConsistency
#define PB_ASK_CONSISTENCY_INIT AMPARO__V1__ASK_CONSISTENCY__INIT
#define pb_ask_consistency_desc amparo__v1__ask_consistency__descriptor
#define pb_ask_entries Amparo__V1__AskEntries
#define PB_ASK_ENTRIES_INIT AMPARO__V1__ASK_ENTRIES__INIT
#define pb_ask_entries_desc amparo__v1__ask_entries__descriptor
#define pb_ask Amparo__V1__Ask
#define PB_ASK_INIT AMPARO__V1__ASK__INIT
#define pb_ask_desc amparo__v1__ask__descriptor
#define pb_head Amparo__V1__Head
#define PB_HEAD_INIT AMPARO__V1__HEAD__INIT
#define pb_head_desc amparo__v1__head__descriptor
#define pb_held_item Amparo__V1__HeldItem
#define PB_HELD_ITEM_INIT AMPARO__V1__HELD_ITEM__INIT
#define pb_held_item_desc amparo__v1__held_item__descriptor
#define pb_answer Amparo__V1__Answer
#define PB_ANSWER_INIT AMPARO__V1__ANSWER__INIT
#define pb_answer_desc amparo__v1__answer__descriptor
#define pb_ping Amparo__V1__Ping
#define PB_PING_INIT AMPARO__V1__PING__INIT
#define pb_ping_desc amparo__v1__ping__descriptor
#define pb_bye Amparo__V1__Bye
#define PB_BYE_INIT AMPARO__V1__BYE__INIT
#define pb_bye_desc amparo__v1__bye__descriptor
/* api.proto */
#define pb_api_request Amparo__V1__ApiRequest
#define PB_API_REQUEST_INIT AMPARO__V1__API_REQUEST__INIT
#define pb_api_request_desc amparo__v1__api_request__descriptor
#define pb_record_import Amparo__V1__RecordImport
#define PB_RECORD_IMPORT_INIT AMPARO__V1__RECORD_IMPORT__INIT
#define pb_record_import_desc amparo__v1__record_import__descriptor
#define pb_list_page Amparo__V1__ListPage
#define PB_LIST_PAGE_INIT AMPARO__V1__LIST_PAGE__INIT
#define pb_list_page_desc amparo__v1__list_page__descriptor
#define pb_list_next Amparo__V1__ListNext
#define PB_LIST_NEXT_INIT AMPARO__V1__LIST_NEXT__INIT
#define pb_list_next_desc amparo__v1__list_next__descriptor
#define pb_record_list Amparo__V1__RecordList
#define PB_RECORD_LIST_INIT AMPARO__V1__RECORD_LIST__INIT
#define pb_record_list_desc amparo__v1__record_list__descriptor
#define pb_record_show Amparo__V1__RecordShow
#define PB_RECORD_SHOW_INIT AMPARO__V1__RECORD_SHOW__INIT
#define pb_record_show_desc amparo__v1__record_show__descriptor
#define pb_referral_send Amparo__V1__ReferralSend
#define PB_REFERRAL_SEND_INIT AMPARO__V1__REFERRAL_SEND__INIT
#define pb_referral_send_desc amparo__v1__referral_send__descriptor
#define pb_referral_list Amparo__V1__ReferralList
#define PB_REFERRAL_LIST_INIT AMPARO__V1__REFERRAL_LIST__INIT
#define pb_referral_list_desc amparo__v1__referral_list__descriptor
#define pb_referral_show Amparo__V1__ReferralShow
#define PB_REFERRAL_SHOW_INIT AMPARO__V1__REFERRAL_SHOW__INIT
#define pb_referral_show_desc amparo__v1__referral_show__descriptor
#define pb_referral_decide Amparo__V1__ReferralDecide
#define PB_REFERRAL_DECIDE_INIT AMPARO__V1__REFERRAL_DECIDE__INIT
#define pb_referral_decide_desc amparo__v1__referral_decide__descriptor
#define pb_peer_list Amparo__V1__PeerList
#define PB_PEER_LIST_INIT AMPARO__V1__PEER_LIST__INIT
#define pb_peer_list_desc amparo__v1__peer_list__descriptor
#define pb_agreement_adopt Amparo__V1__AgreementAdopt
#define PB_AGREEMENT_ADOPT_INIT AMPARO__V1__AGREEMENT_ADOPT__INIT
#define pb_agreement_adopt_desc amparo__v1__agreement_adopt__descriptor
#define pb_agreement_withdraw Amparo__V1__AgreementWithdraw
#define PB_AGREEMENT_WITHDRAW_INIT AMPARO__V1__AGREEMENT_WITHDRAW__INIT
#define pb_agreement_withdraw_desc amparo__v1__agreement_withdraw__descriptor
#define pb_agreement_list Amparo__V1__AgreementList
#define PB_AGREEMENT_LIST_INIT AMPARO__V1__AGREEMENT_LIST__INIT
#define pb_agreement_list_desc amparo__v1__agreement_list__descriptor
#define pb_audit_list Amparo__V1__AuditList
#define PB_AUDIT_LIST_INIT AMPARO__V1__AUDIT_LIST__INIT
#define pb_audit_list_desc amparo__v1__audit_list__descriptor
#define pb_audit_verify Amparo__V1__AuditVerify
#define PB_AUDIT_VERIFY_INIT AMPARO__V1__AUDIT_VERIFY__INIT
#define pb_audit_verify_desc amparo__v1__audit_verify__descriptor
#define pb_audit_reconcile Amparo__V1__AuditReconcile
#define PB_AUDIT_RECONCILE_INIT AMPARO__V1__AUDIT_RECONCILE__INIT
#define pb_audit_reconcile_desc amparo__v1__audit_reconcile__descriptor
#define pb_node_status Amparo__V1__NodeStatus
#define PB_NODE_STATUS_INIT AMPARO__V1__NODE_STATUS__INIT
#define pb_node_status_desc amparo__v1__node_status__descriptor
#define pb_peer_show Amparo__V1__PeerShow
#define PB_PEER_SHOW_INIT AMPARO__V1__PEER_SHOW__INIT
#define pb_peer_show_desc amparo__v1__peer_show__descriptor
#define pb_peer_watch Amparo__V1__PeerWatch
#define PB_PEER_WATCH_INIT AMPARO__V1__PEER_WATCH__INIT
#define pb_peer_watch_desc amparo__v1__peer_watch__descriptor
#define pb_peer_test Amparo__V1__PeerTest
#define PB_PEER_TEST_INIT AMPARO__V1__PEER_TEST__INIT
#define pb_peer_test_desc amparo__v1__peer_test__descriptor
#define pb_ledger_new_epoch Amparo__V1__LedgerNewEpoch
#define PB_LEDGER_NEW_EPOCH_INIT AMPARO__V1__LEDGER_NEW_EPOCH__INIT
#define pb_ledger_new_epoch_desc amparo__v1__ledger_new_epoch__descriptor
#define pb_peer_accept_epoch Amparo__V1__PeerAcceptEpoch
#define PB_PEER_ACCEPT_EPOCH_INIT AMPARO__V1__PEER_ACCEPT_EPOCH__INIT
#define pb_peer_accept_epoch_desc amparo__v1__peer_accept_epoch__descriptor
#define pb_clock_confirm Amparo__V1__ClockConfirm
#define PB_CLOCK_CONFIRM_INIT AMPARO__V1__CLOCK_CONFIRM__INIT
#define pb_clock_confirm_desc amparo__v1__clock_confirm__descriptor
#define pb_peer_resume Amparo__V1__PeerResume
#define PB_PEER_RESUME_INIT AMPARO__V1__PEER_RESUME__INIT
#define pb_peer_resume_desc amparo__v1__peer_resume__descriptor
#define pb_api_error Amparo__V1__ApiError
#define PB_API_ERROR_INIT AMPARO__V1__API_ERROR__INIT
#define pb_api_error_desc amparo__v1__api_error__descriptor
#define pb_api_reply Amparo__V1__ApiReply
#define PB_API_REPLY_INIT AMPARO__V1__API_REPLY__INIT
#define pb_api_reply_desc amparo__v1__api_reply__descriptor
#define pb_record_row Amparo__V1__RecordRow
#define PB_RECORD_ROW_INIT AMPARO__V1__RECORD_ROW__INIT
#define pb_record_row_desc amparo__v1__record_row__descriptor
#define pb_record_content Amparo__V1__RecordContent
#define PB_RECORD_CONTENT_INIT AMPARO__V1__RECORD_CONTENT__INIT
#define pb_record_content_desc amparo__v1__record_content__descriptor
#define pb_referral_row Amparo__V1__ReferralRow
#define PB_REFERRAL_ROW_INIT AMPARO__V1__REFERRAL_ROW__INIT
#define pb_referral_row_desc amparo__v1__referral_row__descriptor
#define pb_referral_content Amparo__V1__ReferralContent
#define PB_REFERRAL_CONTENT_INIT AMPARO__V1__REFERRAL_CONTENT__INIT
#define pb_referral_content_desc amparo__v1__referral_content__descriptor
#define pb_status_record Amparo__V1__StatusRecord
#define PB_STATUS_RECORD_INIT AMPARO__V1__STATUS_RECORD__INIT
#define pb_status_record_desc amparo__v1__status_record__descriptor
#define pb_preview_row Amparo__V1__PreviewRow
#define PB_PREVIEW_ROW_INIT AMPARO__V1__PREVIEW_ROW__INIT
#define pb_preview_row_desc amparo__v1__preview_row__descriptor
#define pb_peer_row Amparo__V1__PeerRow
#define PB_PEER_ROW_INIT AMPARO__V1__PEER_ROW__INIT
#define pb_peer_row_desc amparo__v1__peer_row__descriptor
#define pb_agreement_row Amparo__V1__AgreementRow
#define PB_AGREEMENT_ROW_INIT AMPARO__V1__AGREEMENT_ROW__INIT
#define pb_agreement_row_desc amparo__v1__agreement_row__descriptor
#define pb_audit_row Amparo__V1__AuditRow
#define PB_AUDIT_ROW_INIT AMPARO__V1__AUDIT_ROW__INIT
#define pb_audit_row_desc amparo__v1__audit_row__descriptor
#define pb_verify_result Amparo__V1__VerifyResult
#define PB_VERIFY_RESULT_INIT AMPARO__V1__VERIFY_RESULT__INIT
#define pb_verify_result_desc amparo__v1__verify_result__descriptor
#define pb_reconcile_result Amparo__V1__ReconcileResult
#define PB_RECONCILE_RESULT_INIT AMPARO__V1__RECONCILE_RESULT__INIT
#define pb_reconcile_result_desc amparo__v1__reconcile_result__descriptor
#define pb_status_row Amparo__V1__StatusRow
#define PB_STATUS_ROW_INIT AMPARO__V1__STATUS_ROW__INIT
#define pb_status_row_desc amparo__v1__status_row__descriptor
#define pb_peer_detail Amparo__V1__PeerDetail
#define PB_PEER_DETAIL_INIT AMPARO__V1__PEER_DETAIL__INIT
#define pb_peer_detail_desc amparo__v1__peer_detail__descriptor
#define pb_refusal_count Amparo__V1__RefusalCount
#define PB_REFUSAL_COUNT_INIT AMPARO__V1__REFUSAL_COUNT__INIT
#define pb_refusal_count_desc amparo__v1__refusal_count__descriptor
#define pb_peer_test_row Amparo__V1__PeerTestRow
#define PB_PEER_TEST_ROW_INIT AMPARO__V1__PEER_TEST_ROW__INIT
#define pb_peer_test_row_desc amparo__v1__peer_test_row__descriptor
/* process.proto */
#define pb_peer_setup Amparo__V1__PeerSetup
#define PB_PEER_SETUP_INIT AMPARO__V1__PEER_SETUP__INIT
#define pb_peer_setup_desc amparo__v1__peer_setup__descriptor
#define pb_trust_setup Amparo__V1__TrustSetup
#define PB_TRUST_SETUP_INIT AMPARO__V1__TRUST_SETUP__INIT
#define pb_trust_setup_desc amparo__v1__trust_setup__descriptor
#define pb_gate_setup Amparo__V1__GateSetup
#define PB_GATE_SETUP_INIT AMPARO__V1__GATE_SETUP__INIT
#define pb_gate_setup_desc amparo__v1__gate_setup__descriptor
#define pb_vault_setup Amparo__V1__VaultSetup
#define PB_VAULT_SETUP_INIT AMPARO__V1__VAULT_SETUP__INIT
#define pb_vault_setup_desc amparo__v1__vault_setup__descriptor
#define pb_limits_setup Amparo__V1__LimitsSetup
#define PB_LIMITS_SETUP_INIT AMPARO__V1__LIMITS_SETUP__INIT
#define pb_limits_setup_desc amparo__v1__limits_setup__descriptor
#define pb_role_setup Amparo__V1__RoleSetup
#define PB_ROLE_SETUP_INIT AMPARO__V1__ROLE_SETUP__INIT
#define pb_role_setup_desc amparo__v1__role_setup__descriptor
#define pb_relay Amparo__V1__Relay
#define PB_RELAY_INIT AMPARO__V1__RELAY__INIT
#define pb_relay_desc amparo__v1__relay__descriptor

/** Value of an enum: PB(ENTRY_KIND, SEAL) is ENTRY_KIND_SEAL of ledger.proto. */
#define PB(type, value) AMPARO__V1__##type##__##type##_##value

#define MESSAGE_DEPTH_MAX 8	  /**< messages within each other, the root counted */
#define MESSAGE_BYTES_MAX 1052672 /**< of an encoding: FRAME_RELAY_MAX, the largest frame */
#define MESSAGE_FIELDS_MAX                                                                         \
	65536 /**< fields of one message, all levels: 1 MiB of openings has 50,000 */
#define MESSAGE_WIDTH_MAX 4096	/**< fields of one message, its own level alone */
#define MESSAGE_AMPLIFICATION 6 /**< bytes allocated a byte of input, beyond MESSAGE_BASE_BYTES */
#define MESSAGE_BASE_BYTES 65536

/** How strict message_decode() is. */
enum message_mode {
	MESSAGE_STRICT,	 /**< canonical, no unknown field: everything but what follows */
	MESSAGE_LENIENT, /**< unknown enum numbers pass, and fields, which are left out: to read k
			    of a newer entry */
	MESSAGE_BORROW,	 /**< strict; bytes fields are no copies but point into the input */
};

/**
 * Decode bytes from outside.
 *
 * @param desc     descriptor of the message expected
 * @param in       the encoding, whole
 * @param[out] ret the message; every pointer in it is owned by it, but for bytes fields with
 *                 MESSAGE_BORROW
 * @retval ERR_FORMAT     not a protobuf message of this type
 * @retval ERR_LIMIT      depth, number of fields or memory over the limit
 * @retval ERR_CANONICAL  not the one encoding that protobuf-c would pack, or a field or the number
 *                        of an enum is unknown (the latter two not with MESSAGE_LENIENT)
 * @retval ERR_TEXT       a string field is not strict text
 * @retval ERR_NOMEM
 *
 * Owner:   caller frees with message_free() (cast the result: `struct pb_entry *`); with
 *          MESSAGE_BORROW before the bytes of @p in go.
 * Source:  PROTOCOL.md 1
 */
enum err message_decode(const ProtobufCMessageDescriptor *desc, struct view in,
			enum message_mode mode, void *ret) WARN_UNUSED;

/**
 * Free a message that message_decode() gave, wiping nothing; NULL is fine. It is one piece:
 * whatever pointers in it were changed, just what was decoded is freed, and no part can be by
 * itself.
 */
void message_free(void *message);

/** For CLEANUP() on any `struct pb_x *`. */
static inline void message_freep(void *p)
{
	void **pp = p;

	message_free(*pp);
	*pp = NULL;
}

/** A message that was encoded before, to stand in another one as it would itself. */
struct message_encoded {
	ProtobufCMessage base;
	struct view bytes; /**< borrowed */
};

/** Of these bytes, which are what message_encode() made of it. */
struct message_encoded message_encoded(struct view bytes);

/** Of a struct message_encoded, which has no fields to look at. */
extern const ProtobufCMessageDescriptor message_encoded_desc;

/** Bytes of the encoding of @p message (a struct pb_x *). */
size_t message_size(const void *message);

/**
 * Append the encoding of a message to @p out; errors as buf_reserve(). Quickest into an empty
 * buffer that has room for it.
 *
 * @param message  struct pb_x *, filled by us
 */
enum err message_encode(const void *message, struct buf *out) WARN_UNUSED;

/**
 * Field number of the one submessage that is set, among the fields numbered @p from and above: the
 * verb of an ApiRequest (from 10), the question of an Ask (from 2), the content of a Frame (from
 * 1).
 *
 * @param message   struct pb_x *
 * @param from      singular submessage fields count from this number on
 * @return the number; 0 when none is set or more than one is
 */
uint32_t message_which(const void *message, uint32_t from) WARN_UNUSED;

/** View of a bytes field; empty when absent. */
static inline struct view message_bytes(protobuf_c_boolean has, ProtobufCBinaryData d)
{
	return has ? (struct view){.p = d.data, .n = d.len} : (struct view){.p = NULL, .n = 0};
}

/** A bytes field that borrows @p v: for messages that are encoded and dropped at once. */
ProtobufCBinaryData message_borrow(struct view v);

/** A string field that borrows @p s: protobuf-c's strings are not const, but encoding only reads.
 */
char *message_borrow_text(const char *s);

/**
 * Code of an enum value as people and JSON read it: ENTRY_KIND_RECALL_ANSWER is "recall-answer".
 *
 * @param desc  descriptor of the enum
 * @return static text, or NULL when @p value is not of the enum
 */
const char *message_enum_code(const ProtobufCEnumDescriptor *desc, int value);

#endif
