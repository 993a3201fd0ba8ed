// Reads what L1 told, one JSON object a line, and says what op-node and op-geth make of it: the oracle of `npm run soak -- fuzz`.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"

	"github.com/ethereum-optimism/optimism/op-node/rollup"
	"github.com/ethereum-optimism/optimism/op-node/rollup/derive"
	"github.com/ethereum-optimism/optimism/op-service/eth"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

const chainID = 901

type question struct {
	Kind    string         `json:"kind"`
	Data    hexutil.Bytes  `json:"data"`
	Address common.Address `json:"address"`
	Topics  []common.Hash  `json:"topics"`
}

func config() *rollup.Config {
	zero := uint64(0)
	return &rollup.Config{
		Genesis:               rollup.Genesis{L2Time: 1_000_000},
		BlockTime:             1,
		L2ChainID:             big.NewInt(chainID),
		L1SystemConfigAddress: common.HexToAddress("0x0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c"),
		RegolithTime:          &zero,
		CanyonTime:            &zero,
		DeltaTime:             &zero,
		EcotoneTime:           &zero,
		FjordTime:             &zero,
		GraniteTime:           &zero,
		HoloceneTime:          &zero,
		IsthmusTime:           &zero,
		JovianTime:            &zero,
	}
}

// The frames of one batcher transaction.
func frames(data []byte) []string {
	found, err := derive.ParseFrames(data)
	out := []string{}
	if err != nil {
		return append(out, "malformed")
	}
	for _, f := range found {
		out = append(out, fmt.Sprintf("%x:%d:%x:%t", f.ID[:], f.FrameNumber, f.Data, f.IsLast))
	}
	return out
}

// The batches of one channel, in the words of ChannelInReader: a malformed one ends it, a span that cannot be derived does not.
func channel(data []byte) []string {
	out := []string{}
	cfg := config()
	next, err := derive.BatchReader(bytes.NewReader(data), 100_000_000, true)
	if err != nil {
		return out
	}
	for {
		batch, err := next()
		if err != nil {
			return out
		}
		switch batch.GetBatchType() {
		case derive.SingularBatchType:
			b, err := derive.GetSingularBatch(batch)
			if err != nil {
				return append(out, "critical")
			}
			line := fmt.Sprintf("singular %x %d %x %d", b.ParentHash, uint64(b.EpochNum), b.EpochHash, b.Timestamp)
			for _, tx := range b.Transactions {
				line += " " + hex.EncodeToString(tx)
			}
			out = append(out, line)
		case derive.SpanBatchType:
			span, err := derive.DeriveSpanBatch(batch, cfg)
			if errors.Is(err, derive.ErrCritical) {
				return append(out, "critical")
			}
			if err != nil {
				out = append(out, "unreadable span")
				continue
			}
			line := fmt.Sprintf("span %x %x", span.ParentCheck, span.L1OriginCheck)
			for i := 0; i < span.GetBlockCount(); i++ {
				line += fmt.Sprintf(" | %d %d", span.GetBlockTimestamp(i), span.GetBlockEpochNum(i))
				for _, tx := range span.GetBlockTransactions(i) {
					line += " " + hex.EncodeToString(tx)
				}
			}
			out = append(out, line)
		default:
			return append(out, "temporary")
		}
	}
}

func deposit(q question) []string {
	tx, err := derive.UnmarshalDepositLogEvent(&types.Log{
		Address: q.Address, Topics: q.Topics, Data: q.Data, BlockHash: common.Hash{1}, Index: 7,
	})
	if err != nil {
		return []string{"malformed"}
	}
	to := "none"
	if tx.To != nil {
		to = tx.To.Hex()
	}
	mint := "0"
	if tx.Mint != nil {
		mint = tx.Mint.String()
	}
	return []string{fmt.Sprintf("%x %s %s %s %s %d %x", tx.SourceHash, tx.From.Hex(), to, mint, tx.Value, tx.Gas, tx.Data)}
}

func update(q question) []string {
	sysCfg := eth.SystemConfig{
		BatcherAddr: common.HexToAddress("0xbabababababababababababababababababababa"),
		GasLimit:    30_000_000,
	}
	before := sysCfg
	err := derive.ProcessSystemConfigUpdateLogEvent(&sysCfg, &types.Log{
		Address: q.Address, Topics: q.Topics, Data: q.Data,
	}, config(), 2_000_000)
	if err != nil {
		sysCfg = before
	}
	// only the bytes that have a meaning; minimum base fee and footprint scalar are asked elsewhere
	return []string{fmt.Sprintf("%s %d %x %x %x", sysCfg.BatcherAddr.Hex(), sysCfg.GasLimit, sysCfg.EIP1559Params[:], sysCfg.OperatorFeeParams[20:], sysCfg.Scalar[24:])}
}

func transaction(data []byte) []string {
	var tx types.Transaction
	if err := tx.UnmarshalBinary(data); err != nil {
		return []string{"malformed"}
	}
	from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(chainID)), &tx)
	if err != nil {
		return []string{"unsigned"}
	}
	return []string{tx.Hash().Hex() + " " + from.Hex()}
}

// One item of RLP, encoded again.
func item(data []byte) []string {
	var decoded any
	if err := decode(rlp.NewStream(bytes.NewReader(data), uint64(len(data))), &decoded); err != nil {
		return []string{"malformed"}
	}
	again, err := rlp.EncodeToBytes(decoded)
	if err != nil {
		return []string{"malformed"}
	}
	return []string{hex.EncodeToString(again)}
}

func decode(s *rlp.Stream, into *any) error {
	kind, _, err := s.Kind()
	if err != nil {
		return err
	}
	if kind != rlp.List {
		text, err := s.Bytes()
		*into = text
		return err
	}
	if _, err := s.List(); err != nil {
		return err
	}
	items := []any{}
	for {
		var inner any
		if err := decode(s, &inner); errors.Is(err, rlp.EOL) {
			*into = items
			return s.ListEnd()
		} else if err != nil {
			return err
		}
		items = append(items, inner)
	}
}

func answer(q question) (lines []string) {
	defer func() {
		if cause := recover(); cause != nil {
			lines = []string{fmt.Sprintf("crashed: %v", cause)}
		}
	}()
	switch q.Kind {
	case "frames":
		return frames(q.Data)
	case "channel":
		return channel(q.Data)
	case "deposit":
		return deposit(q)
	case "update":
		return update(q)
	case "transaction":
		return transaction(q.Data)
	case "rlp":
		return item(q.Data)
	}
	return []string{"unknown question"}
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var q question
			if problem := json.Unmarshal(line, &q); problem != nil {
				panic(problem)
			}
			encoded, _ := json.Marshal(answer(q))
			out.Write(append(encoded, '\n'))
			out.Flush()
		}
		if errors.Is(err, io.EOF) {
			return
		}
	}
}
