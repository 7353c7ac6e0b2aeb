;; The part that all hostile guests share: the contract's imports and exports, an allocator and good conduct.
;;
;; A guest adds fields to this module, in most cases `$hostile`. Its own definitions (`$realloc`, `$describe`,
;; `$special-paths`, `$initialize`, `$handle`, `$check`, `$invalidate`, `$post`, `$memory`) replace those in
;; `defaults.wat`.
;;
;; Memory: 64 to 1023 for the results of imports; 1024 for the answer; 2048 for constants of this file; 4096 to 65535
;; for the guest's own constants; then the memory that the allocator returns.

(import "airlock:engine/storage@0.1.0" "get" (func $get (param i32 i32 i32)))
(import "airlock:engine/storage@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32 i32)))
(import "airlock:engine/storage@0.1.0" "delete" (func $delete (param i32 i32 i32)))
(import "airlock:engine/storage@0.1.0" "list" (func $list (param i32 i32 i32)))
(import "airlock:engine/storage@0.1.0" "list-page" (func $list-page (param i32 i32 i32 i32 i32 i32)))
(import "airlock:engine/storage@0.1.0" "commit" (func $commit (param i32)))
(import "airlock:engine/scratch@0.1.0" "get" (func $scratch-get (param i32 i32 i32)))
(import "airlock:engine/scratch@0.1.0" "put" (func $scratch-put (param i32 i32 i32 i32 i32)))
(import "airlock:engine/scratch@0.1.0" "delete" (func $scratch-delete (param i32 i32)))
(import "airlock:engine/system@0.1.0" "config" (func $config (param i32)))
(import "airlock:engine/system@0.1.0" "tainted" (func $tainted (param i32)))
(import "airlock:engine/system@0.1.0" "vault-version" (func $vault-version (param i32)))
(import "airlock:engine/system@0.1.0" "entity-info" (func $entity-info (param i32 i32 i32)))
(import "airlock:engine/system@0.1.0" "generate-password" (func $generate-password (param i32 i32 i32)))
(import "airlock:engine/system@0.1.0" "wrap-data" (func $wrap-data (param i32 i32 i64 i32)))
(import "airlock:engine/events@0.1.0" "send" (func $send (param i32 i32 i32 i32 i32)))
(import "airlock:engine/log@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
(import "airlock:engine/clock@0.1.0" "now" (func $now (param i32)))
(import "airlock:engine/random@0.1.0" "bytes" (func $random (param i32 i32)))

(export "memory" (memory $memory))
(export "cabi_realloc" (func $realloc))
(export "airlock:engine/backend@0.1.0#describe" (func $describe))
(export "airlock:engine/backend@0.1.0#special-paths" (func $special-paths))
(export "airlock:engine/backend@0.1.0#initialize" (func $initialize))
(export "airlock:engine/backend@0.1.0#handle-request" (func $handle))
(export "cabi_post_airlock:engine/backend@0.1.0#handle-request" (func $post))
(export "airlock:engine/backend@0.1.0#check-existence" (func $check))
(export "airlock:engine/backend@0.1.0#invalidate" (func $invalidate))

;; The request: its record, and its path.
(global $request (mut i32) (i32.const 0))
(global $path (mut i32) (i32.const 0))
(global $path-length (mut i32) (i32.const 0))
(global $heap (mut i32) (i32.const 65536))

;; Allocates memory that is aligned to 8 bytes. Traps if there is not enough.
(func $allocate (param $bytes i32) (result i32)
  (local $at i32)
  (local $end i32)
  (local.set $at (global.get $heap))
  (local.set $end (i32.and (i32.add (i32.add (local.get $at) (local.get $bytes)) (i32.const 7)) (i32.const -8)))
  (global.set $heap (local.get $end))
  (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
    (then
      (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (i32.sub (local.get $end)
            (i32.shl (memory.size) (i32.const 16))) (i32.const 16)))))
        (then unreachable))))
  (local.get $at))

;; Allocates this number of bytes of the same value.
(func $repeat (param $byte i32) (param $bytes i32) (result i32)
  (local $at i32)
  (local.set $at (call $allocate (local.get $bytes)))
  (memory.fill (local.get $at) (local.get $byte) (local.get $bytes))
  (local.get $at))

;; Remembers the request, and returns true if it asks for good conduct, that is, if its path is `ok`.
(func $is-benign (param $at i32) (result i32)
  (global.set $request (local.get $at))
  (global.set $path (i32.load offset=20 (local.get $at)))
  (global.set $path-length (i32.load offset=24 (local.get $at)))
  (if (i32.ne (global.get $path-length) (i32.const 2)) (then (return (i32.const 0))))
  (i32.eq (i32.load16_u (global.get $path)) (i32.const 0x6b6f)))

;; Behaves well: reads once, and answers.
(func $benign (result i32)
  (call $get (i32.const 2112) (i32.const 3) (i32.const 64))
  (call $answer (i32.const 2116) (i32.const 11)))

;; Returns true if the mount has the option `hostile`, for harm that does not depend on a path.
(func $is-chosen (result i32)
  (call $config (i32.const 64))
  (call $has-option (i32.load (i32.const 64)) (i32.load (i32.const 68))))

;; Returns true if there is a `hostile` among pairs of texts.
(func $has-option (param $pairs i32) (param $count i32) (result i32)
  (loop $next
    (if (i32.eqz (local.get $count)) (then (return (i32.const 0))))
    (if (i32.eq (i32.load offset=4 (local.get $pairs)) (i32.const 7))
      (then
        (if (i32.eq (i32.load (i32.load (local.get $pairs))) (i32.const 0x74736f68)) ;; `host`
          (then (return (i32.const 1))))))
    (local.set $pairs (i32.add (local.get $pairs) (i32.const 16)))
    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
    (br $next))
  (i32.const 0))

;; Answers with this data. The other fields follow at 1040: see `result<option<response>, error>` in `engine.wit`.
(func $answer (param $text i32) (param $bytes i32) (result i32)
  (i32.store8 (i32.const 1032) (i32.const 1))
  (i32.store8 (i32.const 1040) (i32.const 1))
  (i32.store (i32.const 1044) (local.get $text))
  (i32.store (i32.const 1048) (local.get $bytes))
  (i32.const 1024))

;; Refuses the request as the caller's mistake, with this text.
(func $refuse (param $text i32) (param $bytes i32) (result i32)
  (i32.store8 (i32.const 1024) (i32.const 1))
  (i32.store8 (i32.const 1032) (i32.const 0))
  (i32.store (i32.const 1036) (local.get $text))
  (i32.store (i32.const 1040) (local.get $bytes))
  (i32.const 1024))

;; Returns true if a function of `storage` or `system` failed, given its result.
(func $failed (param $returned i32) (result i32)
  (i32.load8_u (local.get $returned)))

;; Refuses the request with the text of that function's error.
(func $pass-on (param $returned i32) (result i32)
  (call $refuse (i32.load offset=8 (local.get $returned)) (i32.load offset=12 (local.get $returned))))

;; Returns success without an answer, for any export: all fields are zero.
(func $nothing (result i32)
  (i32.const 1792))

;; The description: name, version, about, an empty prefix of storage, and 4 KiB of scratch.
(data (i32.const 1536) "\00\08\00\00\07\00\00\00\10\08\00\00\05\00\00\00\20\08\00\00\05\00\00\00\01\00\00\00")
(data (i32.const 1564) "\98\06\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\10\00\00")
(data (i32.const 2048) "hostile")
(data (i32.const 2064) "1.0.0")
(data (i32.const 2080) "Harm.")
(data (i32.const 2112) "key")
(data (i32.const 2116) "{\22ok\22:true}")
